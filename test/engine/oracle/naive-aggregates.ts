import type { Aggregate } from '../../../src/topology/aggregates.ts'
import type { Cell, KindDefinition } from '../../../src/topology/definition.ts'
import { exactDecayedSum, exactDeviations, exactSum, exactVariance } from './exact.ts'

// The value of an aggregate, from a list of all events in its window.

interface NaiveEvent {
  readonly timeMs: number
  readonly event: unknown
}

/** Its events in log order, and the time up to which values decay. */
interface NaiveWindow {
  readonly events: readonly NaiveEvent[]
  readonly timeMs: number
  /** The event that the window is read for; `null`: it is of another kind. @default null */
  readonly own?: unknown
}

/** The cells of a window of at least one event, in the order of event time. */
interface Cells {
  readonly count: number
  readonly lengthMs: number
  readonly timesMs: readonly number[]
  /** Up to when values decay. */
  readonly timeMs: number
  readonly numbers: (column: string) => readonly number[]
  readonly of: (column: string) => readonly Cell[]
  /** The cell of the event that the window is read for; `null`: it is of another kind. */
  readonly ownOf: (column: string) => Cell | null
}

type NaiveValues = {
  readonly [Of in Aggregate['of']]: (cells: Cells, a: Extract<Aggregate, { of: Of }>) => number
}

const VALUES: NaiveValues = {
  count: ({ count }) => count,
  rate: ({ count, lengthMs }) => count / (lengthMs / 1_000),
  sum: ({ numbers }, { column }) => exactSum(numbers(column)),
  mean: ({ numbers, count }, { column }) => exactSum(numbers(column)) / count,
  min: ({ numbers }, { column }) => Math.min(...numbers(column)),
  max: ({ numbers }, { column }) => Math.max(...numbers(column)),
  variance: ({ numbers }, { column }) => exactVariance(numbers(column)),
  std: ({ numbers }, { column }) => Math.sqrt(exactVariance(numbers(column))),
  skewness: ({ numbers, count }, { column, empty }) => {
    const [squares, cubes] = exactDeviations(numbers(column))
    return squares === 0 ? empty : (Math.sqrt(count) * cubes) / (squares * Math.sqrt(squares))
  },
  kurtosis: ({ numbers, count }, { column, empty }) => {
    const [squares, , fourths] = exactDeviations(numbers(column))
    return squares === 0 ? empty : (count * fourths) / (squares * squares) - 3
  },
  quantile: ({ numbers }, { column, q }) => quantileOf(numbers(column), q),
  ratio: ({ numbers }, { column, over, empty }) => {
    const below = exactSum(numbers(over))
    return below === 0 ? empty : exactSum(numbers(column)) / below
  },
  decayedSum: ({ numbers, timesMs, timeMs }, { column, halfLifeMs }) => {
    const values = numbers(column).map((n, i) => [n, timesMs[i] as number] as const)
    return exactDecayedSum(values, timeMs, halfLifeMs)
  },
  first: ({ of }, { column }) => Number(of(column)[0]),
  last: ({ of }, { column }) => Number(of(column).at(-1)),
  distinct: ({ of }, { column }) => new Set(of(column)).size,
  countWhere: ({ of }, { column }) => of(column).filter(Boolean).length,
  previous: ({ of }, { column, n, empty }) => Number(of(column).at(-n) ?? empty),
  delta: ({ of, ownOf }, { column, empty }) => {
    const own = ownOf(column)
    return own === null ? empty : Number(own) - Number(of(column).at(-1))
  },
  share: ({ of, count }, { column }) => of(column).filter(Boolean).length / count,
}

/** An aggregate over the events of a window. */
export function naiveAggregate(
  { aggregate, lengthMs }: { aggregate: Aggregate; lengthMs: number },
  kind: KindDefinition,
  { events, timeMs, own = null }: NaiveWindow,
): number {
  if (events.length === 0) return 'empty' in aggregate ? aggregate.empty : 0
  const inOrder = events.toSorted((a, b) => a.timeMs - b.timeMs)
  const columnOf = (name: string) => {
    const column = kind.columns[name]
    if (column === undefined) throw new Error(`no column ${name}`)
    return column
  }
  const of = (name: string) => inOrder.map((e) => columnOf(name)(e.event))
  const ownOf = (name: string) => (own === null ? null : columnOf(name)(own))
  const value = VALUES[aggregate.of] as (cells: Cells, a: Aggregate) => number
  const numbers = (name: string) => of(name) as number[]
  const timesMs = inOrder.map((e) => e.timeMs)
  return value({ count: events.length, lengthMs, timesMs, timeMs, numbers, of, ownOf }, aggregate)
}

/**
 * Linear between the two nearest ranks: position q (n − 1) of the sorted values, counted from 0.
 */
function quantileOf(numbers: readonly number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const position = q * (sorted.length - 1)
  const low = sorted[Math.floor(position)] ?? Number.NaN
  const high = sorted[Math.ceil(position)] ?? Number.NaN
  return low + (high - low) * (position - Math.floor(position))
}
