import type { DurationMs } from '../kernel/time.ts'
import { featureMethods } from './aggregate-methods.ts'
import { type Aggregate, columnsOf } from './aggregates.ts'
import type { EventFunction, FeatureSource, KindDefinition } from './definition.ts'
import type { Feature, FeatureColumns, FeatureKit, Kind, WhenEmpty } from './features.ts'
import type { Table } from './lookup.ts'

/** Returns a {@link FeatureKit}, and the list that it records the kinds of event in. */
export function recordFeatures<E>(): { kit: FeatureKit<E>; kinds: KindDefinition[] } {
  const kinds: KindDefinition[] = []
  const kindOf = (is: unknown, columns: FeatureColumns<never>) =>
    buildKind(new KindDraft(is as KindDefinition['is'], columns, kinds))
  const kit = {
    events: (columns: FeatureColumns<never>) => kindOf(null, columns),
    only: (is: unknown, columns: FeatureColumns<never>) => kindOf(is, columns),
  }
  return { kit: kit as unknown as FeatureKit<E>, kinds }
}

/**
 * A kind of event while its features are being defined. For each optional column that is aggregated
 * it adds a kind with this column only and without the events that lack it: so windows never store
 * events that they would have to skip.
 */
class KindDraft {
  readonly number: number
  readonly #is: KindDefinition['is']
  readonly #columns: FeatureColumns<never>
  readonly #kinds: KindDefinition[]
  /** The added kinds, by their optional column. */
  readonly #withColumn = new Map<string, number>()

  constructor(is: KindDefinition['is'], columns: FeatureColumns<never>, kinds: KindDefinition[]) {
    this.#is = is
    this.#columns = columns
    this.#kinds = kinds
    const ofEvery = Object.entries(columns).filter(([, column]) => typeof column === 'function')
    this.number = this.#add({ is, columns: Object.fromEntries(ofEvery) as KindColumns })
  }

  /** The number of the kind whose events an aggregate reads. */
  numberFor(aggregate: Aggregate): number {
    const [name, second] = columnsOf(aggregate)
    const column = name === undefined ? undefined : this.#columns[name]
    if (name === undefined || second !== undefined || typeof column !== 'object') return this.number
    const known = this.#withColumn.get(name)
    if (known !== undefined) return known
    const columns = { [name]: column.of } as unknown as KindColumns
    const added = this.#add({ is: this.#is, has: name, columns })
    this.#withColumn.set(name, added)
    return added
  }

  value(of: string | EventFunction<number>): FeatureSource {
    const kind = this.number
    if (typeof of !== 'string') return { from: 'value', kind, of }
    const column = this.#columns[of] as EventFunction<number> | { of: EventFunction<number> }
    if (typeof column !== 'object') return { from: 'value', kind, of: column }
    return { from: 'value', kind, of: column.of, missing: 'nan' }
  }

  #add(kind: KindDefinition): number {
    this.#kinds.push(Object.freeze({ ...kind, columns: Object.freeze(kind.columns) }))
    return this.#kinds.length - 1
  }
}

type KindColumns = KindDefinition['columns']

export function featureSource(made: Feature<never>): FeatureSource {
  return made as unknown as FeatureSource
}

function buildKind(draft: KindDraft): Kind<never, never> {
  const kind = draft.number
  const built = {
    value: (of: string | EventFunction<number>) => feature(draft.value(of)),
    rolling: (lengthMs: DurationMs) => ({
      ...featureMethods((aggregate) =>
        feature({ from: 'rolling', kind: draft.numberFor(aggregate), lengthMs, aggregate }),
      ),
      secondsSinceLast: ({ empty = Number.NaN }: WhenEmpty = {}) =>
        feature({ from: 'sinceLast', kind, lengthMs, empty }),
    }),
    tumbling: (lengthMs: DurationMs) => {
      const window = (which: 'lastClosed' | 'current') =>
        featureMethods((aggregate) => {
          const of = draft.numberFor(aggregate)
          return feature({ from: 'tumbling', kind: of, which, lengthMs, aggregate })
        })
      return { lastClosed: () => window('lastClosed'), current: () => window('current') }
    },
    secondsSinceLastEver: (o: { cap?: DurationMs; never: number }) =>
      feature({ from: 'sinceLastEver', kind, capMs: o.cap ?? null, never: o.never }),
    lookup: (table: Table<unknown>, key: EventFunction<string | null>, o?: { as?: string }) => ({
      value: (of: (row: unknown) => number) =>
        feature({ from: 'lookup', kind, table: table.name, key, of, ...o }),
    }),
  }
  return built as unknown as Kind<never, never>
}

function feature(source: FeatureSource): Feature<unknown> {
  return Object.freeze(source) as unknown as Feature<unknown>
}
