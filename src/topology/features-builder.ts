import type { DurationMs } from '../kernel/time.ts'
import { featureMethods } from './aggregate-methods.ts'
import { type Aggregate, columnsOf } from './aggregates.ts'
import type { EventFunction, FeatureSource, KindDefinition } from './definition.ts'
import type { Feature, FeatureColumns, WhenEmpty } from './features.ts'
import type { Table } from './lookup.ts'

/** Returns a `FeatureKit`, and the list that it records the kinds of event in. */
export function recordFeatures(): { kit: unknown; kinds: readonly KindDefinition[] } {
  const kinds: KindDefinition[] = []
  const kit = {
    events: (columns: FeatureColumns<never>) => buildKind(kinds, null, columns),
    only: (is: KindDefinition['is'], columns: FeatureColumns<never>) =>
      buildKind(kinds, is, columns),
  }
  return { kit, kinds }
}

/**
 * For each optional column that is aggregated, adds a kind with this column only and without the
 * events that lack it: so windows never store events that they would have to skip.
 */
function buildKind(
  kinds: KindDefinition[],
  is: KindDefinition['is'],
  columns: FeatureColumns<never>,
): unknown {
  const ofEvery = Object.entries(columns).filter(([, column]) => typeof column === 'function')
  const kind = kinds.push({ is, columns: Object.fromEntries(ofEvery) as KindColumns }) - 1
  /** The added kinds, by their optional column. */
  const withColumn = new Map<string, number>()
  const kindFor = (aggregate: Aggregate): number => {
    const [name, second] = columnsOf(aggregate)
    const column = name === undefined ? undefined : columns[name]
    if (name === undefined || second !== undefined || typeof column !== 'object') return kind
    const of = { [name]: column.of } as unknown as KindColumns
    const added = withColumn.get(name) ?? kinds.push({ is, has: name, columns: of }) - 1
    withColumn.set(name, added)
    return added
  }
  const value = (given: string | EventFunction<number>): FeatureSource => {
    const of = typeof given === 'string' ? (columns[given] as NumberColumn) : given
    return typeof of === 'object'
      ? { from: 'value', kind, of: of.of, missing: 'nan' }
      : { from: 'value', kind, of }
  }
  const tumbling = (which: 'lastClosed' | 'current', lengthMs: DurationMs) =>
    featureMethods((aggregate) =>
      feature({ from: 'tumbling', kind: kindFor(aggregate), which, lengthMs, aggregate }),
    )
  return {
    value: (of: string | EventFunction<number>) => feature(value(of)),
    rolling: (lengthMs: DurationMs) => ({
      ...featureMethods((aggregate) =>
        feature({ from: 'rolling', kind: kindFor(aggregate), lengthMs, aggregate }),
      ),
      secondsSinceLast: ({ empty = Number.NaN }: WhenEmpty = {}) =>
        feature({ from: 'sinceLast', kind, lengthMs, empty }),
    }),
    tumbling: (lengthMs: DurationMs) => ({
      lastClosed: () => tumbling('lastClosed', lengthMs),
      current: () => tumbling('current', lengthMs),
    }),
    secondsSinceLastEver: (o: { cap?: DurationMs; never: number }) =>
      feature({ from: 'sinceLastEver', kind, capMs: o.cap ?? null, never: o.never }),
    lookup: (table: Table<unknown>, key: EventFunction<string | null>, o?: { as?: string }) => ({
      value: (of: (row: unknown) => number) =>
        feature({ from: 'lookup', kind, table: table.name, key, of, ...o }),
    }),
  }
}

type KindColumns = KindDefinition['columns']
type NumberColumn = EventFunction<number> | { readonly of: EventFunction<number> }

function feature(source: FeatureSource): Feature<unknown> {
  return Object.freeze(source) as unknown as Feature<unknown>
}
