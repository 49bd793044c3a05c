import type { Events, Read, Reader } from '../../../columns/events.ts'
import type { FeatureDefinition, FeaturesStep } from '../../../topology/definition.ts'
import type { Lookup, Rows, StoreRows } from '../../../topology/lookup.ts'
import type { FlowBatch } from '../../events.ts'
import type { RunMode } from '../../run.ts'

type LookupFeature = Extract<FeatureDefinition, { from: 'lookup' }>

/** The name is that in functions after the model. */
type TableLookup = Pick<LookupFeature, 'name' | 'kind' | 'table' | 'key'>

/** The look-ups of a features step, each once. */
export function lookupsOf({ features }: Pick<FeaturesStep, 'features'>): readonly TableLookup[] {
  const lookups: TableLookup[] = []
  for (const feature of features) {
    if (feature.from !== 'lookup' || lookups.some((lookup) => isOf(feature, lookup))) continue
    const { kind, table, key, as: name = table } = feature
    lookups.push({ name, kind, table, key })
  }
  return lookups
}

function isOf({ kind, table, key, as = table }: LookupFeature, lookup: TableLookup): boolean {
  return lookup.name === as && lookup.kind === kind && lookup.table === table && lookup.key === key
}

interface Fetched {
  readonly tables: readonly (Rows | StoreRows)[]
  /** By look-up in a store, the keys of the events that were fetched for. */
  readonly keys: (readonly (string | null)[])[]
  /** The preview that was fetched for; `null`: a chunk, or nothing. */
  previewed: object | null
}

/** The current event's rows of tables and stores. Each is looked up once for all features of it. */
export class TableRows {
  readonly names: readonly string[]
  /** Whether one of them is in a store. */
  readonly areStored: boolean
  readonly #lookups: readonly TableLookup[]
  readonly #keys: readonly Read<string | null>[]
  readonly #live: Fetched
  readonly #previewed: Fetched
  #fetched: Fetched
  readonly #rows: unknown[]
  /** Which stores have not given the current event's rows, and why: `profiles=deadline`. */
  degraded: string | null = null

  constructor(
    step: FeaturesStep,
    { lookup, reader }: { readonly lookup: Lookup; readonly reader: Reader },
  ) {
    this.#lookups = lookupsOf(step)
    this.names = this.#lookups.map(({ name }) => name)
    this.#keys = this.#lookups.map(({ key }) => reader(key))
    const fetched = () => {
      return { tables: this.#lookups.map(({ table }) => lookup(table)), keys: [], previewed: null }
    }
    this.#live = fetched()
    this.#previewed = fetched()
    this.#fetched = this.#live
    this.#rows = this.#lookups.map(() => undefined)
    this.areStored = this.#live.tables.some((rows) => 'fetch' in rows)
  }

  /** Turns to the rows of a chunk, or of previews: a chunk may be waiting for its own meanwhile. */
  turnTo(mode: RunMode): void {
    this.#fetched = mode === 'preview' ? this.#previewed : this.#live
  }

  /**
   * Fetches the rows of stores that events will look up, once for each preview.
   * @param isKind may throw an author's error @returns `null`: there is nothing to wait for
   */
  fetch(
    { events, indices, timesMs }: FlowBatch,
    isKind: (kind: number, index: number) => boolean,
    previewed: object | null,
  ): Promise<unknown> | null {
    const fetched = this.#fetched
    if (previewed !== null && fetched.previewed === previewed) return null
    fetched.previewed = previewed
    const fetching = this.#lookups.flatMap(({ kind }, i) => {
      const store = fetched.tables[i] as Rows | StoreRows
      if (!('fetch' in store)) return []
      const keys = new Array<string | null>(timesMs.length).fill(null)
      for (const index of indices) {
        try {
          if (isKind(kind, index)) keys[index] = this.#keyOf(i, events, index)
        } catch {
          // find throws it again.
        }
      }
      fetched.keys[i] = keys
      return store.fetch({ keys, timesMs }) ?? []
    })
    return fetching.length === 0 ? null : Promise.all(fetching)
  }

  find(
    events: Events,
    index: number,
    { isKind, timeMs }: { readonly isKind: readonly boolean[]; readonly timeMs: number },
  ): void {
    this.degraded = null
    for (let i = 0; i < this.#lookups.length; i++) {
      const { kind } = this.#lookups[i] as TableLookup
      const rows = this.#fetched.tables[i] as Rows | StoreRows
      const fetched = this.#fetched.keys[i]?.[index] ?? null
      const key = fetched === null && isKind[kind] ? this.#keyOf(i, events, index) : fetched
      if (key === null) this.#rows[i] = undefined
      else if ('get' in rows) this.#rows[i] = rows.get(key, timeMs)
      else {
        this.#rows[i] = rows.at(index)
        if (rows.degraded !== null) this.#addDegraded(`${this.names[i]}=${rows.degraded}`)
      }
    }
  }

  #keyOf(lookup: number, events: Events, index: number): string | null {
    return (this.#keys[lookup] as Read<string | null>).of(events, index)
  }

  #addDegraded(reason: string): void {
    this.degraded = this.degraded === null ? reason : `${this.degraded};${reason}`
  }

  /** Reads a feature of the row that was found; NaN if there is none. */
  reader(feature: LookupFeature): Read<unknown> {
    const at = this.#lookups.findIndex((lookup) => isOf(feature, lookup))
    const { of: read } = feature
    return {
      of: () => {
        const row = this.#rows[at]
        return row === undefined ? Number.NaN : read(row)
      },
    }
  }

  /** Writes the rows that were found for an event; `undefined` for the others. */
  writeTo(foundRows: unknown[], index: number): void {
    const { length } = this.#rows
    for (let i = 0; i < length; i++) foundRows[index * length + i] = this.#rows[i]
  }
}
