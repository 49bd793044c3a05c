import type { DurationMs } from '../kernel/time.ts'
import type { Named } from './features.ts'

// What the results of tumbling windows are, and the words for their fields. Types only.

/**
 * When a tumbling window emits results: `final`, once it has closed; `early`, also for each event
 * that enters it.
 */
export type Emit = 'final' | 'early'

/**
 * The fields that each result of a tumbling window has next to its aggregates. The event time of a
 * result is `windowEndMs − 1`.
 */
export interface WindowEvent {
  /** The key whose events are in the window. */
  readonly key: string
  /** Start of the window (inclusive), ms since the epoch: a multiple of the length. */
  readonly windowStartMs: number
  /** End of the window (exclusive), ms since the epoch. */
  readonly windowEndMs: number
}
/**
 * A field of a tumbling window's result, as returned by the methods of {@link AggregateKit}. `V` is
 * the type of its value.
 */
export interface WindowField<V> {
  /** Never present; it only carries the type. */
  readonly value?: V
}
type CellOf<F> = F extends (event: never) => infer V ? V : never
/**
 * Aggregates over the events in one tumbling window, as fields of its result. `null` means that
 * there is no number. `C` are the columns.
 */
export interface AggregateKit<C> {
  /** Number of events in the window. */
  count(): WindowField<number>
  /** Events per second, over the whole length of the window. */
  rate(): WindowField<number>
  /** Sum, with compensated rounding errors. */
  sum(column: Named<C, number>): WindowField<number>
  /** Arithmetic mean. */
  mean(column: Named<C, number>): WindowField<number | null>
  /** Smallest value. */
  min(column: Named<C, number>): WindowField<number | null>
  /** Largest value. */
  max(column: Named<C, number>): WindowField<number | null>
  /** Population variance (divides by n). */
  variance(column: Named<C, number>): WindowField<number | null>
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>): WindowField<number | null>
  /** Population skewness, m₃ / m₂^1.5; `null` if all values are equal. */
  skewness(column: Named<C, number>): WindowField<number | null>
  /**
   * Population excess kurtosis, m₄ / m₂² − 3, which is 0 for a normal distribution; `null` if all
   * values are equal.
   */
  kurtosis(column: Named<C, number>): WindowField<number | null>
  /**
   * The q-quantile, interpolated between the two nearest values. A `q` outside 0 to 1 is refused at
   * start: `TOPOLOGY_INVALID`.
   */
  quantile(column: Named<C, number>, q: number): WindowField<number | null>
  /** The sum of `column` divided by the sum of `over`; `null` if the latter is 0. */
  ratio(column: Named<C, number>, over: Named<C, number>): WindowField<number | null>
  /**
   * Exponentially decayed sum at the window's end, `windowEndMs`: each value halves with every
   * `halfLife` since its event time. A half-life that is not a whole number of milliseconds above 0
   * is refused at start: `TOPOLOGY_INVALID`.
   */
  decayedSum(column: Named<C, number>, halfLife: DurationMs): WindowField<number>
  /** The column's value of the event with the earliest event time. */
  first<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** The column's value of the event with the latest event time. */
  last<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** Exact number of different values. */
  distinct(column: Named<C, string>): WindowField<number>
  /** Number of events for which the column is true. */
  countWhere(column: Named<C, boolean>): WindowField<number>
  /** Fraction of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>): WindowField<number | null>
}
