import type { DurationMs } from '../kernel/time.ts'
import { featureMethods } from './aggregate-methods.ts'
import { type Aggregate, columnsOf } from './aggregates.ts'
import type { EventFunction, FeatureSource, KindDefinition, ValueForm } from './definition.ts'
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

function buildKind(
  kinds: KindDefinition[],
  is: KindDefinition['is'],
  columns: FeatureColumns<never>,
): unknown {
  const kindFor = kindsOf(kinds, is, columns)
  const kind = kindFor(null)
  const value = (source: string | EventFunction<unknown>, form?: ValueForm): FeatureSource => {
    const { of: read, isOptional } =
      typeof source === 'string' ? columnIn(columns, source) : { of: source, isOptional: false }
    return {
      ...{ from: 'value', kind, of: read as EventFunction<number> },
      ...(isOptional && { missing: 'nan' }),
      ...(form && { form }),
    }
  }
  const ofTime = (part: 'hourOfDay' | 'dayOfWeek') => (column: string, offset?: DurationMs) =>
    feature(value(column, { is: part, column, offsetMs: offset ?? 0 }))
  const rolling = (lengthMs: DurationMs, { condition, before }: Narrowed): object => {
    const made = (aggregate: Aggregate, isBefore = before) => {
      const narrowedKind = kindFor(condition, aggregate)
      const exclusive = isBefore ? ({ before: true } as const) : {}
      return feature({ from: 'rolling', kind: narrowedKind, lengthMs, ...exclusive, aggregate })
    }
    return {
      ...featureMethods((aggregate) => made(aggregate)),
      secondsSinceLast: ({ empty = Number.NaN }: WhenEmpty = {}) =>
        feature({ from: 'sinceLast', kind: kindFor(condition), lengthMs, empty }),
      previous: (column: string, { n = 1, empty = Number.NaN }: WhenEmpty & { n?: number } = {}) =>
        made({ of: 'previous', column, n, cell: 'number', empty }, true),
      delta: (column: string, { empty = Number.NaN }: WhenEmpty = {}) =>
        made({ of: 'delta', column, empty }, true),
      before: () => rolling(lengthMs, { condition, before: true }),
      ...(condition === null && {
        where: (column: string) => rolling(lengthMs, { condition: column, before }),
      }),
    }
  }
  const tumbling = (which: 'lastClosed' | 'current', lengthMs: DurationMs) =>
    featureMethods((aggregate) =>
      feature({ from: 'tumbling', kind: kindFor(null, aggregate), which, lengthMs, aggregate }),
    )
  return {
    value: (source: string | EventFunction<number>) => feature(value(source)),
    code: (column: string, words: readonly string[], o: { unknown: number } | undefined) =>
      feature(value(column, { is: 'code', column, words, unknown: o?.unknown as number })),
    hourOfDay: ofTime('hourOfDay'),
    dayOfWeek: ofTime('dayOfWeek'),
    rolling: (lengthMs: DurationMs) => rolling(lengthMs, { condition: null, before: false }),
    tumbling: (lengthMs: DurationMs) => ({
      lastClosed: () => tumbling('lastClosed', lengthMs),
      current: () => tumbling('current', lengthMs),
    }),
    secondsSinceLastEver: (o: { cap?: DurationMs; never: number }) =>
      feature({ from: 'sinceLastEver', kind, capMs: o.cap ?? null, never: o.never }),
    lookup: (table: Table<unknown>, key: EventFunction<string | null>, o?: { as?: string }) => ({
      value: (compute: (row: unknown) => number) =>
        feature({ from: 'lookup', kind, table: table.name, key, of: compute, ...o }),
    }),
  }
}

/**
 * For each optional column that is aggregated, adds a kind with this column only and without the
 * events that lack it, and one for each condition: so windows never store events that they would
 * have to skip.
 * @returns the kind that an aggregate is over, by the column that must be true; `null`: any
 */
function kindsOf(
  kinds: KindDefinition[],
  is: KindDefinition['is'],
  columns: FeatureColumns<never>,
): (condition: string | null, aggregate?: Aggregate) => number {
  const ofEvery = Object.entries(columns).filter(([, column]) => typeof column === 'function')
  const every = Object.fromEntries(ofEvery) as KindColumns
  const added: { condition: string | null; has: string | undefined; kind: number }[] = []
  const add = (condition: string | null, has: string | undefined, fields: KindColumns): number => {
    const addedKind = added.find((entry) => entry.condition === condition && entry.has === has)
    if (addedKind !== undefined) return addedKind.kind
    const definition = {
      is,
      ...(has !== undefined && { has }),
      ...(condition !== null && { where: { column: condition, ...columnIn(columns, condition) } }),
      columns: fields,
    }
    const kind = kinds.push(definition) - 1
    added.push({ condition, has, kind })
    return kind
  }
  return (condition, aggregate) => {
    const [name, second] = aggregate === undefined ? [] : columnsOf(aggregate)
    const column = name === undefined ? undefined : columns[name]
    if (name === undefined || second !== undefined || typeof column !== 'object') {
      return add(condition, undefined, every)
    }
    return add(condition, name, { [name]: column.of } as unknown as KindColumns)
  }
}

type KindColumns = KindDefinition['columns']
type OptionalColumn = { readonly of: EventFunction<unknown> }

/** Which of a rolling window's events are aggregated. */
interface Narrowed {
  /** A column that must be true; `null`: all are. */
  readonly condition: string | null
  readonly before: boolean
}

/** Its function is not a function if there is no such column. */
function columnIn(columns: FeatureColumns<never>, name: string) {
  const column = columns[name] as unknown as EventFunction<unknown> | OptionalColumn
  const isOptional = typeof column === 'object'
  return { of: isOptional ? column.of : column, isOptional }
}

function feature(source: FeatureSource): Feature<unknown> {
  return Object.freeze(source) as unknown as Feature<unknown>
}
