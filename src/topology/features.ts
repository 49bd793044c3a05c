import type { Mistake } from '../kernel/author-types.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Cell } from './definition.ts'
import type { Table } from './lookup.ts'

// The calls that define features. Types only; features-builder.ts turns them into data.

declare const needs: unique symbol
declare const found: unique symbol
/**
 * One number per event, an input of the model as float32. Only events of type `N` have it; `L` is
 * the look-up that it is of. `unknown` stands for every event, and for none.
 */
export interface Feature<N, L = unknown> {
  /** Never present; it only carries the type. */
  readonly [needs]: (event: N) => void
  /** Never present; it only carries the type. */
  readonly [found]?: L
}
/** A look-up named `N`, of rows of type `R`. */
export interface Found<N extends string, R> {
  readonly name: N
  readonly row: R
}
type WriteCell =
  'a column must be a number, string or boolean: if it may be null or undefined, add ?? and a value'
type WriteNaN = 'a feature must be a number: if it may be null or undefined, add ?? NaN'
/** The values that windows read of an event, by name: numbers, strings or booleans. */
export type Columns<E> = Record<string, (event: E) => Cell | Mistake<WriteCell>>
/**
 * A column that may be missing. Its aggregates skip the events for which it is `null`, `undefined`
 * or NaN, as pandas does.
 */
export interface SkippingColumn<E> {
  /** Reads the value. */
  readonly of: (event: E) => Cell | null | undefined
  /** Skips the events without a value. */
  readonly missing: 'skip'
}
/** The values that windows read of an event, by name; columns may be optional. */
export type FeatureColumns<E> = Record<string, Columns<E>[string] | SkippingColumn<E>>
type OfEvery<T> = (event: never) => T
type OfSome<T> = { readonly of: (event: never) => T | null | undefined }
/** Columns of type `T` that every event has. */
type NamedOfEvery<C, T> = {
  [K in keyof C]: C[K] extends OfEvery<T> ? K : never
}[keyof C] &
  string
/** Columns of type `T`. */
type Named<C, T> = {
  [K in keyof C]: C[K] extends OfEvery<T> | OfSome<T> ? K : never
}[keyof C] &
  string

/** The value of an aggregate that has none, such as over an empty window. */
export interface WhenEmpty {
  /** @default NaN */
  empty?: number
}

/**
 * Aggregates over the events of one window. `C` are the columns, `V` is a value and `N` one that may
 * be missing; `O` is the last argument of those.
 */
export interface Aggregates<C, V, N, O extends readonly unknown[]> {
  /** Number of events in the window. 0 when empty. */
  count(): V
  /** Events per second, over the whole length of the window. 0 when empty. */
  rate(): V
  /** Sum, with compensated rounding errors. 0 when empty. */
  sum(column: Named<C, number>): V
  /** Arithmetic mean. */
  mean(column: Named<C, number>, ...o: O): N
  /** Smallest value. */
  min(column: Named<C, number>, ...o: O): N
  /** Largest value. */
  max(column: Named<C, number>, ...o: O): N
  /** Population variance (divides by n). */
  variance(column: Named<C, number>, ...o: O): N
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>, ...o: O): N
  /** Population skewness, m₃ / m₂^1.5; missing also if all values are equal. */
  skewness(column: Named<C, number>, ...o: O): N
  /**
   * Population excess kurtosis, m₄ / m₂² − 3, which is 0 for a normal distribution; missing also if
   * all values are equal.
   */
  kurtosis(column: Named<C, number>, ...o: O): N
  /**
   * The q-quantile, interpolated between the two nearest values. A `q` outside 0 to 1 is refused at
   * start: `TOPOLOGY_INVALID`.
   */
  quantile(column: Named<C, number>, q: number, ...o: O): N
  /**
   * The sum of `column` divided by the sum of `over`; missing also if the latter is 0. Columns with
   * `missing: 'skip'` cannot be used.
   */
  ratio(column: NamedOfEvery<C, number>, over: NamedOfEvery<C, number>, ...o: O): N
  /**
   * Exponentially decayed sum: each value halves with every `halfLife` since its event time, up to
   * the window's end, which for `rolling` and `current` is the time of the scored event. 0 when
   * empty. A half-life that is not a whole number of milliseconds above 0 is refused at start:
   * `TOPOLOGY_INVALID`.
   */
  decayedSum(column: Named<C, number>, halfLife: DurationMs): V
  /** Exact number of different values. 0 when empty. */
  distinct(column: Named<C, string>): V
  /** Number of events for which the column is true. 0 when empty. */
  countWhere(column: Named<C, boolean>): V
  /** Fraction of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>, ...o: O): N
}

/**
 * Aggregates over one window of the scored event's key. `C` are the columns declared for its kind
 * of event. An aggregate that is missing, as all but counts and sums are over no events, is `empty`
 * (NaN unless given).
 */
export interface Window<C>
  extends Aggregates<C, Feature<unknown>, Feature<unknown>, [o?: WhenEmpty | undefined]> {
  /** The column's value of the event with the earliest event time; a boolean is 0 or 1. */
  first(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
  /** The column's value of the event with the latest event time; a boolean is 0 or 1. */
  last(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
}

/** The window of {@link Kind.rolling}. */
export interface RollingWindow<C> extends Window<C> {
  /**
   * Seconds since the key's previous event in the window: the latest, in event time, that arrived
   * before this one and has the same or an earlier time. `empty` if there is none; the length of
   * the window in seconds is a good choice. @default of `empty`: NaN
   */
  secondsSinceLast(o?: WhenEmpty): Feature<unknown>
}

/**
 * Events of one kind `E`, with the columns `C` that windows may aggregate. The length of a window
 * is a whole number of milliseconds above 0, else refused at start: `TOPOLOGY_INVALID`.
 */
export interface Kind<E, C> {
  /**
   * A number of the event itself: a column by name (NaN where it is missing), or a function of the
   * event. A value that is not a number makes the event a dead letter `COLUMN_INVALID`; NaN is
   * scored only with `missing: 'nan'`. The raw event time is refused at start, because float32
   * cannot represent it: `TOPOLOGY_INVALID`.
   */
  value(of: Named<C, number> | ((event: E) => number | Mistake<WriteNaN>)): Feature<E>
  /**
   * The window (t − length, t] of each event, where t is its event time; it includes the event
   * itself.
   */
  rolling(length: DurationMs): RollingWindow<C>
  /**
   * Aligned windows [start, end) of the event's key. `current`: the window that the event falls in,
   * as far as it has been seen. `lastClosed`: the newest window with events whose end the watermark
   * has passed. It is never evicted, so a restart reads the partition from the beginning.
   */
  tumbling(length: DurationMs): { lastClosed(): Window<C>; current(): Window<C> }
  /**
   * Seconds since the key's previous event of this kind, however long ago. Keys are never evicted,
   * so a restart reads the partition from the beginning; `secondsSinceLast` of a rolling window
   * reads back no further than its window.
   */
  secondsSinceLastEver(o: {
    /**
     * Upper limit of the result. More than 0, else refused at start: `TOPOLOGY_INVALID`. @default
     * no limit
     */
    cap?: DurationMs
    /** The result if there is no previous event. */
    never: number
  }): Feature<unknown>
  /**
   * Numbers of the row that a lookup table has for a key; all are NaN if the key is `null` or not
   * in the table. Functions after the model get the row itself: `s.lookup.merchants`. Two look-ups
   * of one name are refused at start: `TOPOLOGY_INVALID`.
   */
  lookup<R, const N extends string, const A extends string = N>(
    table: Table<R, N>,
    key: (event: E) => string | null,
    o?: {
      /** The name of the row after the model. @default the table's name */
      as?: A
    },
  ): { value(of: (row: R) => number | Mistake<WriteNaN>): Feature<E, Found<A, R>> }
}

/**
 * Defines features; passed to the function given to `.features`. A column must be a finite number,
 * a string or a boolean, as its aggregates require; else its event is a dead letter
 * `COLUMN_INVALID`.
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
