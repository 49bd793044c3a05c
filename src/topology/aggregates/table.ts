import { count, countWhere, distinct, rate, share } from './counts.ts'
import { decayedSum } from './decayed-sum.ts'
import { first, last } from './ends.ts'
import { kurtosis } from './kurtosis.ts'
import { max, min, quantile } from './ranks.ts'
import type { AggregateRule, CellType } from './rule.ts'
import { skewness } from './skewness.ts'
import { std, variance } from './spread.ts'
import { mean, ratio, sum } from './sums.ts'

/**
 * All aggregates, by name. To add one, add its rule here and its methods in features.ts and
 * stream.ts: it does not compile without them.
 */
export const AGGREGATES = {
  count,
  rate,
  sum,
  mean,
  min,
  max,
  variance,
  std,
  skewness,
  kurtosis,
  quantile,
  ratio,
  decayedSum,
  first,
  last,
  distinct,
  countWhere,
  share,
} as const satisfies Readonly<Record<string, AggregateRule>>

type Rules = typeof AGGREGATES
/** The name of an aggregate. */
export type AggregateName = keyof Rules

type ParameterData<R> = R extends { parameter: { name: infer Name extends string } }
  ? { readonly [N in Name]: number }
  : unknown
type EmptyData<R> = R extends { acceptsEmpty: true } ? { readonly empty: number } : unknown
type CellData<R> = R extends { givesCell: true } ? { readonly cell: 'number' | 'any' } : unknown
type DataOf<Of extends AggregateName> = { readonly of: Of } & {
  readonly [Name in Rules[Of]['columns'][number]]: string
} & ParameterData<Rules[Of]> &
  EmptyData<Rules[Of]> &
  CellData<Rules[Of]>

/**
 * An aggregate with its arguments, as data. `empty`: its value where it has none; aggregates
 * without it are 0. `cell`: whether the cell must be a number (a boolean counts as 0 or 1) or may
 * be a string too.
 */
export type Aggregate = { readonly [Of in AggregateName]: DataOf<Of> }[AggregateName]

/** The definition of an aggregate. */
export function ruleOf({ of }: Aggregate): AggregateRule {
  return AGGREGATES[of]
}

/** The names of the columns that an aggregate reads. */
export function columnsOf(aggregate: Aggregate): readonly string[] {
  const data: Readonly<Record<string, unknown>> = aggregate
  return ruleOf(aggregate).columns.map((name) => data[name] as string)
}

/** The number that an aggregate takes besides its columns; NaN if it takes none. */
export function parameterOf(aggregate: Aggregate): number {
  const data: Readonly<Record<string, unknown>> = aggregate
  const { parameter } = ruleOf(aggregate)
  return parameter === undefined ? Number.NaN : (data[parameter.name] as number)
}

const FOR_A_MODEL: readonly CellType[] = ['number', 'boolean']

/** The types that the columns of an aggregate may have. */
export function cellTypesOf(aggregate: Aggregate): readonly CellType[] {
  const isForModel = 'cell' in aggregate && aggregate.cell === 'number'
  return isForModel ? FOR_A_MODEL : ruleOf(aggregate).cells
}

/** An aggregate as its author would write it. */
export function textOf(aggregate: Aggregate): string {
  const { parameter } = ruleOf(aggregate)
  const parts = [...columnsOf(aggregate)]
  if (parameter !== undefined) parts.push(parameter.text(parameterOf(aggregate)))
  if ('empty' in aggregate) parts.push(`empty: ${aggregate.empty}`)
  return `${aggregate.of}(${parts.join(', ')})`
}
