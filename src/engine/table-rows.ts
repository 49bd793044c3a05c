import type { Events, Read, Reader } from '../columns/events.ts'
import type { FeatureDefinition, FeaturesStep } from '../topology/definition.ts'
import type { Lookup, Rows, StoreRows } from '../topology/lookup.ts'
import type { Batch } from './events.ts'

type LookupFeature = Extract<FeatureDefinition, { from: 'lookup' }>

/** The name is that in functions after the model. */
type TableLookup = Pick<LookupFeature, 'name' | 'kind' | 'table' | 'key'>

/** The look-ups of a features step, each once. */
export function lookupsOf({ features }: Pick<FeaturesStep, 'features'>): readonly TableLookup[] {
  const lookups: TableLookup[] = []
  for (const feature of features) {
    if (feature.from !== 'lookup' || lookups.some((known) => isOf(feature, known))) continue
    const { kind, table, key, as: name = table } = feature
    lookups.push({ name, kind, table, key })
  }
  return lookups
}

function isOf({ kind, table, key, as = table }: LookupFeature, lookup: TableLookup): boolean {
  return lookup.name === as && lookup.kind === kind && lookup.table === table && lookup.key === key
}

function isStore(rows: Rows | StoreRows): rows is StoreRows {
  return 'fetch' in rows
}

/** The current event's rows of tables and stores. Each is looked up once for all features of it. */
export class TableRows {
  readonly names: readonly string[]
  /** Is one of them in a store? */
  readonly areStored: boolean
  readonly #lookups: readonly TableLookup[]
  readonly #keys: readonly Read<string | null>[]
  readonly #tables: readonly Rows[]
  readonly #rows: unknown[]
  /** By look-up; `null`: it is of a table. */
  readonly #stores: readonly (StoreRows | null)[]
  /** Which stores have not given the current event's rows, and why: `profiles=deadline`. */
  degraded: string | null = null

  constructor(
    step: FeaturesStep,
    { lookup, reader }: { readonly lookup: Lookup; readonly reader: Reader },
  ) {
    this.#lookups = lookupsOf(step)
    this.names = this.#lookups.map(({ name }) => name)
    this.#keys = this.#lookups.map(({ key }) => reader(key))
    this.#tables = this.#lookups.map(({ table }) => lookup(table))
    this.#rows = this.#lookups.map(() => undefined)
    this.#stores = this.#tables.map((rows) => (isStore(rows) ? rows : null))
    this.areStored = this.#stores.some((store) => store !== null)
  }

  /**
   * Fetches the rows of stores that events will look up. @param isKind may throw what an author's
   * function throws @returns `null`: there is nothing to wait for
   */
  fetch(
    { events, indices, timesMs }: Batch,
    isKind: (kind: number, index: number) => boolean,
  ): Promise<unknown> | null {
    const fetching = this.#lookups.flatMap(({ kind }, i) => {
      const newestMs = new Map<string, number>()
      for (const index of this.#stores[i] === null ? [] : indices) {
        try {
          const key = isKind(kind, index) ? this.#keys[i]?.of(events, index) : null
          if (typeof key !== 'string') continue
          const timeMs = timesMs[index] as number
          newestMs.set(key, Math.max(newestMs.get(key) ?? timeMs, timeMs))
        } catch {
          // The event's own processing tells what its functions throw.
        }
      }
      return this.#stores[i]?.fetch(newestMs) ?? []
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
      const key = isKind[kind] ? (this.#keys[i] as Read<string | null>).of(events, index) : null
      this.#rows[i] = key === null ? undefined : (this.#tables[i] as Rows).get(key, timeMs)
      const reason = key === null ? null : (this.#stores[i]?.degraded ?? null)
      if (reason === null) continue
      const own = `${this.names[i]}=${reason}`
      this.degraded = this.degraded === null ? own : `${this.degraded};${own}`
    }
  }

  /** Reads a feature of the row that was found; NaN if there is none. */
  reader(feature: LookupFeature): Read<unknown> {
    const at = this.#lookups.findIndex((lookup) => isOf(feature, lookup))
    const { of } = feature
    return {
      of: () => {
        const row = this.#rows[at]
        return row === undefined ? Number.NaN : of(row)
      },
    }
  }

  /** Writes the rows that were found for an event; `undefined` for the others. */
  writeTo(found: unknown[], index: number): void {
    const { length } = this.#rows
    for (let i = 0; i < length; i++) found[index * length + i] = this.#rows[i]
  }
}
