import type { Mistake } from '../kernel/mistake.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Cell } from './definition.ts'
import type { Table } from './lookup.ts'

// The words an author writes features with. Types only; features-builder.ts turns the calls into
// data.

declare const needs: unique symbol
/**
 * One number per event, written into the model's row as float32. Defined only where the event is an
 * `N` (`unknown`: for every event).
 */
export interface Feature<N> {
  /** Never there: it carries the type. */
  readonly [needs]: (event: N) => void
}
type WriteCell =
  'a column is a number, a text or a condition: write ?? and a value where there may be none'
type WriteNaN = 'a feature is a number: write ?? NaN where there may be none'
/** What windows read of an event, by name. */
export type Columns<E> = Record<string, (event: E) => Cell | Mistake<WriteCell>>
/**
 * A column that an event may lack: where it is `null`, `undefined` or NaN, its aggregates leave the
 * event out, as pandas does.
 */
export interface SkippingColumn<E> {
  /** What is read of an event. */
  readonly of: (event: E) => Cell | null | undefined
  /** What becomes of an event without it. */
  readonly missing: 'skip'
}
/** What windows read of an event, by name; a column may be one that an event lacks. */
export type FeatureColumns<E> = Record<string, Columns<E>[string] | SkippingColumn<E>>
type OfEvery<T> = (event: never) => T
type OfSome<T> = { readonly of: (event: never) => T | null | undefined }
/** The columns of a type that every event has. */
type NamedOfEvery<C, T> = {
  [K in keyof C]: C[K] extends OfEvery<T> ? K : never
}[keyof C] &
  string
/** The columns of a type. */
export type Named<C, T> = {
  [K in keyof C]: C[K] extends OfEvery<T> | OfSome<T> ? K : never
}[keyof C] &
  string

/** What an aggregate is when its window holds no event, or a ratio has nothing below. */
export interface WhenEmpty {
  /** @default NaN */
  empty?: number
}

/**
 * Aggregates over one window of the scored event's key. `C` are the columns it was declared with. A
 * window without events gives 0 for counts and sums; for the rest NaN, or the number given as
 * `empty`.
 */
export interface Window<C> {
  /** Events in the window. 0 when empty. */
  count(): Feature<unknown>
  /** Events a second, over the whole length of the window. 0 when empty. */
  rate(): Feature<unknown>
  /** Sum, with its rounding error carried. 0 when empty. */
  sum(column: Named<C, number>): Feature<unknown>
  /** Arithmetic mean. */
  mean(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Least value. */
  min(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Largest value. */
  max(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Population variance (divides by n). */
  variance(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Population skewness, m₃ / m₂^1.5; where the values are all equal, as of an empty window. */
  skewness(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /**
   * Population excess kurtosis, m₄ / m₂² − 3: 0 of a normal distribution; where the values are all
   * equal, as of an empty window.
   */
  kurtosis(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /**
   * The q-quantile, interpolated between the two nearest values. A `q` outside 0 to 1 is refused at
   * start: `TOPOLOGY_INVALID`.
   */
  quantile(column: Named<C, number>, q: number, o?: WhenEmpty): Feature<unknown>
  /** The sum of one column over the sum of another; where that is 0, as of an empty window. */
  ratio(
    column: NamedOfEvery<C, number>,
    over: NamedOfEvery<C, number>,
    o?: WhenEmpty,
  ): Feature<unknown>
  /**
   * Sum of what is left of each value when it halves with every `halfLife` since its event: up to
   * the scored event's time; of the window that is `lastClosed` up to its end. 0 when empty. A
   * half-life that is no whole number of milliseconds above 0 is refused at start:
   * `TOPOLOGY_INVALID`.
   */
  decayedSum(column: Named<C, number>, halfLife: DurationMs): Feature<unknown>
  /** Of the oldest event, in event time; a condition is 0 or 1. */
  first(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
  /** Of the newest event, in event time; a condition is 0 or 1. */
  last(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
  /** Different values, exactly. 0 when empty. */
  distinct(column: Named<C, string>): Feature<unknown>
  /** Events for which the column is true. 0 when empty. */
  countWhere(column: Named<C, boolean>): Feature<unknown>
  /** The part of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>, o?: WhenEmpty): Feature<unknown>
}

/** The last `length` before each event: (t − length, t], the event itself included. */
export interface RollingWindow<C> extends Window<C> {
  /**
   * Seconds since the key's newest earlier event in the window: one that has arrived before this
   * one, at its time or before it. `empty` when there is none; the length of the window in seconds
   * goes well with it.
   *
   * @default of `empty`: NaN
   */
  secondsSinceLast(o?: WhenEmpty): Feature<unknown>
}

/**
 * Events of one kind `E`, with the columns `C` that windows may aggregate. Lengths of windows are
 * whole milliseconds above 0.
 */
export interface Kind<E, C> {
  /**
   * A number of the event itself: a column, NaN where that is missing, or a function of it.
   * Anything but a number makes the event a dead letter `COLUMN_INVALID`; NaN needs `missing:
   * 'nan'`. The event time itself is refused at start, since a float32 cannot hold it:
   * `TOPOLOGY_INVALID`.
   */
  value(of: Named<C, number> | ((event: E) => number | Mistake<WriteNaN>)): Feature<E>
  /** The last `length` before each event: (t − length, t], the event itself included. */
  rolling(length: DurationMs): RollingWindow<C>
  /**
   * Aligned windows [start, end) of the event's key. `current`: the one the event falls in, so far.
   * `lastClosed`: the newest one that the watermark has closed; remembered for ever, so that a
   * restart reads its partition from the start.
   */
  tumbling(length: DurationMs): { lastClosed(): Window<C>; current(): Window<C> }
  /**
   * Seconds since the key's newest earlier event of this kind, however long ago, at most `cap`,
   * @default without end; `never` when there is none. Keys are remembered for ever, so that a
   * restart reads its partition from the start: a window's `secondsSinceLast` needs no more than
   * the window. A `cap` is more than 0, else refused at start: `TOPOLOGY_INVALID`.
   */
  secondsSinceLastEver(o: { cap?: DurationMs; never: number }): Feature<unknown>
  /** Numbers of a table's row; every one is NaN where the key is `null` or unknown. */
  lookup<R>(
    table: Table<R>,
    key: (event: E) => string | null,
  ): { value(of: (row: R) => number | Mistake<WriteNaN>): Feature<E> }
}

/**
 * What `.features` names the numbers of its events with. A column gives a finite number, a text or
 * a condition, as its aggregates take it; else its event is a dead letter `COLUMN_INVALID`.
 */
export interface FeatureKit<E> {
  /** Every event. */
  events<const C extends FeatureColumns<E>>(columns: C): Kind<E, C>
  /** Only events of one kind; the others enter none of its windows. */
  only<D extends E, C extends FeatureColumns<D>>(
    is: (event: E) => event is D,
    columns: C,
  ): Kind<D, C>
}
