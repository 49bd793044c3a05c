import type { DurationMs } from '../kernel/time.ts'
import type { Cell } from './definition.ts'
import type { Table } from './lookup.ts'

// The words an author writes features with. Types only; features-builder.ts turns the calls into data.

declare const needs: unique symbol
/** One number per event, written into the model's row. Defined only where the event is an `N` (`unknown`: for every event). */
export interface Feature<N> {
  readonly [needs]: (event: N) => void
}
export type Columns<E> = Record<string, (event: E) => Cell>
export type Named<C, T> = {
  [K in keyof C]: C[K] extends (event: never) => T ? K : never
}[keyof C] &
  string

/** What an aggregate is when its window holds no event, or a ratio has nothing below. */
export interface WhenEmpty {
  /** @default NaN */
  empty?: number
}

/** Aggregates over one window of the scored event's key. `C` are the columns it was declared with. */
export interface Window<C> {
  /** Events in the window. 0 when empty. */
  count(): Feature<unknown>
  /** Events a second, over the whole length of the window. 0 when empty. */
  rate(): Feature<unknown>
  /** Sum, with its rounding error carried. 0 when empty. */
  sum(column: Named<C, number>): Feature<unknown>
  mean(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  min(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  max(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Population variance (divides by n). */
  variance(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** The q-quantile, 0 ≤ q ≤ 1, interpolated between the two nearest values. */
  quantile(column: Named<C, number>, q: number, o?: WhenEmpty): Feature<unknown>
  /** The sum of one column over the sum of another. */
  ratio(column: Named<C, number>, over: Named<C, number>, o?: WhenEmpty): Feature<unknown>
  /** Of the oldest event; a condition is 0 or 1. */
  first(column: Named<C, number | boolean>, o?: WhenEmpty): Feature<unknown>
  /** Of the newest event; a condition is 0 or 1. */
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
   * Seconds since the key's newest earlier event in the window: one that has arrived before this one, at its time or before it. `empty`
   * when there is none; the length of the window in seconds goes well with it.
   *
   * @default of `empty`: NaN
   */
  secondsSinceLast(o?: WhenEmpty): Feature<unknown>
}

/** Events of one kind, with the columns that windows may aggregate. */
export interface Kind<E, C> {
  /** A number of the event itself: a column, or a function of it. */
  value(of: Named<C, number> | ((event: E) => number)): Feature<E>
  rolling(length: DurationMs): RollingWindow<C>
  /** Aligned windows [start, end) of the event's key. */
  tumbling(length: DurationMs): { lastClosed(): Window<C>; current(): Window<C> }
  /**
   * Seconds since the key's newest earlier event of this kind, however long ago, at most `cap`; `never` when there is none. Keys are
   * remembered for ever, and a restart reads the whole log: a window's `secondsSinceLast` needs no more than the window.
   */
  secondsSinceLastEver(o: { cap?: DurationMs; never: number }): Feature<unknown>
  /** A row of a table; every value of it is NaN where the key is `null` or unknown. */
  lookup<R>(
    table: Table<R>,
    key: (event: E) => string | null,
  ): { value(of: (row: R) => number): Feature<E> }
}

export interface FeatureKit<E> {
  /** Every event. */
  events<const C extends Columns<E>>(columns: C): Kind<E, C>
  /** Only events of one kind. */
  only<D extends E, C extends Columns<D>>(is: (event: E) => event is D, columns: C): Kind<D, C>
}
