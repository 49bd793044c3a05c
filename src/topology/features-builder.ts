import type { DurationMs } from '../kernel/time.ts'
import { aggregateWords } from './aggregates.ts'
import type { Aggregate, Cell, EventFunction, FeatureSource, KindDefinition } from './definition.ts'
import type { Columns, Feature, FeatureKit, Kind, WhenEmpty, Window } from './features.ts'

/** A {@link FeatureKit} that records what is asked of it. */
export function recordFeatures<E>(): { kit: FeatureKit<E>; kinds: KindDefinition[] } {
  const kinds: KindDefinition[] = []
  const add = (is: unknown, columns: Columns<never>): Kind<never, never> => {
    const kind = {
      is: is as KindDefinition['is'],
      columns: Object.freeze({ ...columns }) as KindDefinition['columns'],
    }
    kinds.push(Object.freeze(kind))
    return buildKind(kinds.length - 1, kind)
  }
  const kit = {
    events: (columns: Columns<never>) => add(null, columns),
    only: (is: unknown, columns: Columns<never>) => add(is, columns),
  }
  return { kit: kit as unknown as FeatureKit<E>, kinds }
}

/** The data behind a feature that a kit gave out. */
export function featureSource(made: Feature<never>): FeatureSource {
  return made as unknown as FeatureSource
}

function buildKind(kind: number, definition: KindDefinition): Kind<never, never> {
  const built = {
    value: (of: string | EventFunction<number>) =>
      feature({
        from: 'value',
        kind,
        of: typeof of === 'string' ? (definition.columns[of] as EventFunction<number>) : of,
      }),
    rolling: (lengthMs: DurationMs) => ({
      ...buildWindow((aggregate) => ({ from: 'rolling', kind, lengthMs, aggregate })),
      secondsSinceLast: ({ empty = Number.NaN }: WhenEmpty = {}) =>
        feature({ from: 'sinceLast', kind, lengthMs, empty }),
    }),
    tumbling: (lengthMs: DurationMs) => {
      const window = (which: 'lastClosed' | 'current') =>
        buildWindow((aggregate) => ({ from: 'tumbling', kind, which, lengthMs, aggregate }))
      return { lastClosed: () => window('lastClosed'), current: () => window('current') }
    },
    secondsSinceLastEver: (o: { cap?: DurationMs; never: number }) =>
      feature({ from: 'sinceLastEver', kind, capMs: o.cap ?? null, never: o.never }),
    lookup: (table: { name: string }, key: EventFunction<string | null>) => ({
      value: (of: (row: unknown) => number) =>
        feature({ from: 'lookup', kind, table: table.name, key, of }),
    }),
  }
  return built as unknown as Kind<never, never>
}

function buildWindow(
  over: (aggregate: Aggregate) => FeatureSource,
): Window<Record<string, (event: never) => Cell>> {
  return aggregateWords('number', (aggregate) => feature(over(aggregate)))
}

function feature(source: FeatureSource): Feature<unknown> {
  return Object.freeze(source) as unknown as Feature<unknown>
}
