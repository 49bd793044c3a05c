import type { Events, Read, Reader } from '../columns/events.ts'
import type { FeatureDefinition, FeaturesStep } from '../topology/definition.ts'
import type { Lookup, Rows } from '../topology/lookup.ts'

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

/** The current event's rows of tables. Each is looked up once, however many features read it. */
export class TableRows {
  readonly names: readonly string[]
  readonly #lookups: readonly TableLookup[]
  readonly #keys: readonly Read<string | null>[]
  readonly #tables: readonly Rows[]
  readonly #rows: unknown[]

  constructor(
    step: FeaturesStep,
    { lookup, reader }: { readonly lookup: Lookup; readonly reader: Reader },
  ) {
    this.#lookups = lookupsOf(step)
    this.names = this.#lookups.map(({ name }) => name)
    this.#keys = this.#lookups.map(({ key }) => reader(key))
    this.#tables = this.#lookups.map(({ table }) => lookup(table))
    this.#rows = this.#lookups.map(() => undefined)
  }

  find(
    events: Events,
    index: number,
    { isKind, timeMs }: { readonly isKind: readonly boolean[]; readonly timeMs: number },
  ): void {
    for (let i = 0; i < this.#lookups.length; i++) {
      const { kind } = this.#lookups[i] as TableLookup
      const key = isKind[kind] ? (this.#keys[i] as Read<string | null>).of(events, index) : null
      this.#rows[i] = key === null ? undefined : (this.#tables[i] as Rows).get(key, timeMs)
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
