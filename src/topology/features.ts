import type { Mistake } from '../kernel/author-types.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Cell } from './definition.ts'
import type { Table } from './lookup.ts'

// The calls that define features. Types only; features-builder.ts turns them into data.

declare const needs: unique symbol
declare const lookup: unique symbol
/**
 * One number per event, an input of the model as float32. Only events of type `N` have it; `L` is
 * the look-up that it is of. `unknown` stands for every event, and for none. Carries types only.
 */
export interface Feature<N, L = unknown> {
  readonly [needs]: (event: N) => void
  readonly [lookup]?: L
}
/** A look-up named `N`, of rows of type `R`; `D`: they may be substitutes. */
export interface Found<N extends string, R, D = never> {
  readonly name: N
  readonly row: R
  readonly degraded: D
}
type NoCell<Advice extends string> =
  `a column must be a number, string or boolean: if it may be null or undefined, ${Advice}`
type WriteNaN = 'a feature must be a number: if it may be null or undefined, add ?? NaN'
/** The values that windows read of an event, by name: numbers, strings or booleans. */
export type Columns<E> = Record<
  string,
  (event: E) => Cell | Mistake<NoCell<'call .where(hasIt) before .tumbling'>>
>
/** A column whose aggregates skip `null`, `undefined` and NaN, as pandas does. */
export interface SkippingColumn<E> {
  /** Reads the column's value of an event. */
  readonly of: (event: E) => Cell | null | undefined
  /** Aggregates of this column skip the events without a value. */
  readonly missing: 'skip'
}
/** The values that windows read of an event, by name; columns may be optional. */
export type FeatureColumns<E> = Record<
  string,
  ((event: E) => Cell | Mistake<NoCell<"write { of, missing: 'skip' }">>) | SkippingColumn<E>
>
type OfEvery<T> = (event: never) => T
type OfSome<T> = { readonly of: (event: never) => T | null | undefined }
type Names<C, Column> = { [K in keyof C]: C[K] extends Column ? K : never }[keyof C] & string
/** Columns of type `T` that every event has. */
type NamedOfEvery<C, T> = Names<C, OfEvery<T>>
type Named<C, T> = Names<C, OfEvery<T> | OfSome<T>>

/** The value of an aggregate that has none, such as over an empty window. @default NaN */
export interface WhenEmpty {
  empty?: number
}

/**
 * Aggregates over the events of one window. `C` are the columns, `V` is a value, 0 over no events,
 * and `N` one that is then missing; `O` is the last argument of those.
 */
export interface Aggregates<C, V, N, O extends readonly unknown[]> {
  /** Number of events in the window. */
  count(): V
  /** Events per second, over the whole length of the window. */
  rate(): V
  /** Sum, with compensated rounding errors. */
  sum(column: Named<C, number>): V
  mean(column: Named<C, number>, ...o: O): N
  min(column: Named<C, number>, ...o: O): N
  max(column: Named<C, number>, ...o: O): N
  /** Population variance (divides by n). */
  variance(column: Named<C, number>, ...o: O): N
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>, ...o: O): N
  /** Population skewness, m₃ / m₂^1.5; missing also if all values are equal. */
  skewness(column: Named<C, number>, ...o: O): N
  /** Population excess kurtosis, m₄ / m₂² − 3; missing also if all values are equal. */
  kurtosis(column: Named<C, number>, ...o: O): N
  /** The q-quantile, interpolated between the two nearest values; `q` is from 0 to 1. */
  quantile(column: Named<C, number>, q: number, ...o: O): N
  /** Sum of `column` over sum of `over`, not `missing: 'skip'`; missing also if the latter is 0. */
  ratio(column: NamedOfEvery<C, number>, over: NamedOfEvery<C, number>, ...o: O): N
  /**
   * Exponentially decayed sum: each value halves with every `halfLife`, whole milliseconds above 0,
   * from its event time to the window's end: for `rolling` and `current`, the scored event's time.
   */
  decayedSum(column: Named<C, number>, halfLife: DurationMs): V
  /** Exact number of different values. */
  distinct(column: Named<C, string>): V
  /** Number of events for which the column is true. */
  countWhere(column: Named<C, boolean>): V
  /** Fraction of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>, ...o: O): N
}

/**
 * Aggregates over one window of the scored event's key. `C` are the columns of its kind of event.
 * Over no events, counts and sums are 0; any other aggregate is missing, and `empty` (@default NaN)
 * stands for it. Arguments out of bounds are refused at start: `TOPOLOGY_INVALID`.
 */
export interface Window<C>
  extends Aggregates<C, Feature<unknown>, Feature<unknown>, [o?: WhenEmpty | undefined]> {
  /** The column's value of the event with the earliest event time; a boolean is 0 or 1. */
  first(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
  /** The column's value of the event with the latest event time; a boolean is 0 or 1. */
  last(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
}

/**
 * The window (t − length, t] of each event, where t is its event time; it includes the event
 * itself.
 */
export interface RollingWindow<C> extends RollingAggregates<C> {
  /** The same window without the event itself: events that arrived before it, at its time or earlier. */
  before(): Omit<RollingWindow<C>, 'before'>
  /** Only the events for which the column is true; the others never enter this window. */
  where(column: Named<C, boolean>): Omit<RollingWindow<C>, 'where'>
}

/** Aggregates over a rolling window, and the event beside those before it. */
export interface RollingAggregates<C> extends Window<C> {
  /**
   * The column's value of an earlier event in the window, as pandas' `shift`: of those that arrived
   * before this one and have the same or an earlier time, the `n`-th newest in event time. A boolean
   * is 0 or 1.
   * @param o `n`: whole, 1 or more @default 1
   */
  previous(column: Named<C, number | boolean>, o?: WhenEmpty & { n?: number }): Feature<unknown>
  /**
   * How much the column's value has changed from {@link previous}, as pandas' `diff`; missing also
   * for an event of another kind.
   */
  delta(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /**
   * Seconds since the key's previous event in the window: the latest, in event time, that arrived
   * before this one and has the same or an earlier time. `empty` if there is none: the window's
   * length in seconds is a good choice. @default of `empty`: NaN
   */
  secondsSinceLast(o?: WhenEmpty): Feature<unknown>
}

/**
 * Events of one kind `E`, with the columns `C` that windows may aggregate. Lengths of windows are
 * whole milliseconds above 0. A value out of bounds is refused at start: `TOPOLOGY_INVALID`.
 */
export interface Kind<E, C> {
  /**
   * A number of the event itself: a column by name (NaN where it is missing), or a function. Any
   * other value makes the event a dead letter `COLUMN_INVALID`; NaN is scored only with `missing:
   * 'nan'`. The raw event time is refused, because float32 cannot represent it, unless the next
   * `.derive` drops it.
   */
  value(source: Named<C, number> | ((event: E) => number | Mistake<WriteNaN>)): Feature<E>
  /**
   * The place of a text among `words`, from 0; `unknown` for any other text. NaN where an optional
   * column has no value. A word that repeats is refused.
   */
  code(
    column: Named<C, string>,
    words: readonly string[],
    o: { readonly unknown: number },
  ): Feature<E>
  /**
   * The hour of the day, 0 to 23, of a column with times in ms since the epoch.
   * @param offset of the local time from UTC; it does not know summer time @default UTC
   */
  hourOfDay(column: Named<C, number>, offset?: DurationMs): Feature<E>
  /** The day of the week, 1 is Monday, 7 is Sunday; as {@link hourOfDay}. */
  dayOfWeek(column: Named<C, number>, offset?: DurationMs): Feature<E>
  /** The window (t − length, t] of each event, of event time t; it includes the event itself. */
  rolling(length: DurationMs): RollingWindow<C>
  /**
   * Aligned windows [start, end) of the event's key. `current`: the event's, as far as it has been
   * seen. `lastClosed`: the newest with events whose end the watermark has passed; it is never
   * evicted, so a restart reads the partition from the beginning.
   */
  tumbling(length: DurationMs): { lastClosed(): Window<C>; current(): Window<C> }
  /**
   * Seconds since the key's previous event of this kind, however long ago. Keys are never evicted,
   * so a restart reads the partition from the beginning; {@link RollingWindow.secondsSinceLast}
   * reads back no further than its window.
   */
  secondsSinceLastEver(o: {
    /** Upper limit of the result. More than 0. @default no limit */
    cap?: DurationMs
    /** The result if there is no previous event. */
    never: number
  }): Feature<unknown>
  /**
   * Numbers of the row that a table or an online store has for a key; all are NaN if the key is
   * `null`, or has no row and no fallback. Functions after the model get the row itself:
   * `s.lookup.merchants`; `s.degraded` says whether a store did not answer about it.
   * @param o `as`: the name of the row after the model, unique. @default the table's name
   */
  lookup<R, const N extends string, D = never, const A extends string = N>(
    table: Table<R, N, D>,
    key: (event: E) => string | null,
    o?: { as?: A },
  ): { value(compute: (row: R) => number | Mistake<WriteNaN>): Feature<E, Found<A, R, D>> }
}

/**
 * Defines features, in the function given to `.features`. A column is a finite number, a string or
 * a boolean, as its aggregates require; else its event is a dead letter `COLUMN_INVALID`.
 */
export interface FeatureKit<E> {
  /** All events of the stream. */
  events<const C extends FeatureColumns<E>>(columns: C): Kind<E, C>
  /** Only the events for which `is` returns true; the others do not enter its windows. */
  only<D extends E, C extends FeatureColumns<D>>(
    is: (event: E) => event is D,
    columns: C,
  ): Kind<D, C>
}
