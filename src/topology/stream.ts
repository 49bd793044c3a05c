import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Partitioner } from '../kernel/partitioners.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Definition, KeyMismatch, OnLate } from './definition.ts'
import type { Columns, Feature, FeatureKit, Named } from './features.ts'
import type { Table } from './lookup.ts'
import type { Model } from './model.ts'

// The words an author writes a topology with. Types only; builder.ts turns the calls into data.

type Check<K extends string, F extends readonly string[]> = [Exclude<F[number], K>] extends [never]
  ? [Exclude<K, F[number]>] extends [never]
    ? unknown
    : { readonly 'these features are not inputs of the model': Exclude<K, F[number]> }
  : { readonly 'the model needs these features': Exclude<F[number], K> }
type Undefined<E, Fs> = {
  [K in keyof Fs]: Fs[K] extends Feature<infer N>
    ? unknown extends N
      ? never
      : E extends N
        ? never
        : K
    : never
}[keyof Fs]
type Defined<E, Fs> = [Undefined<E, Fs>] extends [never]
  ? unknown
  : { readonly 'undefined for some kinds of event, call .where(isKind) first': Undefined<E, Fs> }

/** A number, or one for each named column. */
type ScoreOf<P> = P extends { readonly columns: readonly (infer C extends string)[] }
  ? { readonly [K in C]: number }
  : number

/** An event with its features and the model's answer. */
export interface Scored<E, K extends string, O> {
  readonly event: E
  /** The numbers the model saw, as float32. */
  readonly features: Readonly<Record<K, number>>
  /** Each output of the model; a float32 is given as the shortest decimal that rounds to it. */
  readonly score: { readonly [P in keyof O]: ScoreOf<O[P]> }
  /** `name@version` */
  readonly model: string
}

/** A topic that is written. */
export interface Sink<T extends string, Out> {
  readonly topic: T
  readonly out?: Out
}

/** Events on their way. Functions given to it must be pure: same event, same answer. */
export interface Stream<E> {
  /** Keeps some events; the others enter nothing that follows and are counted as skipped. */
  where<D extends E>(is: (event: E) => event is D): Stream<D>
  where(keep: (event: E) => boolean): Stream<E>
  map<R>(to: (event: E) => R): Stream<R>
  /** Splits by the first condition that holds; `rest` is what none takes. */
  branch<B extends Record<string, (event: E) => boolean>>(
    by: B,
  ): { readonly [K in keyof B]: Stream<E> } & { readonly rest: Stream<E> }
  /** Names the numbers of each event. */
  features<Fs extends Record<string, Feature<never>>>(
    define: (f: FeatureKit<E>) => Fs,
  ): FeatureStream<E, Fs>
  /**
   * Aligned windows [start, end) of each key as a stream of their own: one event for each window, once the watermark has passed
   * its end and the grace, in the order (end, key).
   *
   * `grace`: how long after its end a window still takes events, @default 0. `emit: 'early'`: also a result for each event that
   * enters, with `isFinal: false`; no windows can be kept over those.
   */
  tumbling<M extends Emit = 'final'>(
    length: DurationMs,
    o?: { grace?: DurationMs; emit?: M },
  ): {
    aggregate<C extends Columns<E>, R extends Record<string, Aggregate<unknown>>>(
      columns: C,
      define: (a: AggregateKit<C>) => R,
    ): Stream<
      WindowEvent &
        (M extends 'early' ? { readonly isFinal: boolean } : unknown) & {
          readonly [K in keyof R]: R[K] extends Aggregate<infer V> ? V : never
        }
    >
  }
  /** Writes each event as JSON. Key: the source's, unless given. */
  sink<const T extends string>(topic: T, o?: { key?: (event: E) => string }): Sink<T, E>
}

export interface FeatureStream<E, Fs> {
  /** Events that stay in the windows but are not scored from here on; counted as skipped. */
  where<D extends E>(is: (event: E) => event is D): FeatureStream<D, Fs>
  where(keep: (event: E) => boolean): FeatureStream<E, Fs>
  /**
   * Scores each event.
   *
   * `missing: 'nan'` lets a NaN feature reach the model; without it such an event is a dead letter.
   * `latencyBudget`: the longest one batch may take, @default 50 ms; it bounds the batch.
   */
  score<F extends readonly string[], O>(
    model: Model<F, O> & Check<keyof Fs & string, F> & Defined<E, Fs>,
    o?: { missing?: 'nan'; latencyBudget?: DurationMs },
  ): Stream<Scored<E, keyof Fs & string, O>>
}

/** When a tumbling window says something: once it has closed, or also for each event that enters. */
export type Emit = 'final' | 'early'

/** Event time of the derived stream: `windowEndMs − 1`; its key is the window's. */
export interface WindowEvent {
  readonly key: string
  readonly windowStartMs: number
  readonly windowEndMs: number
}
export interface Aggregate<V> {
  readonly value?: V
}
type CellOf<F> = F extends (event: never) => infer V ? V : never
/** Aggregates over one closed window, as fields of its event; `null` where there is no number. `C` are the columns. */
interface AggregateKit<C> {
  count(): Aggregate<number>
  /** Events a second, over the whole length of the window. */
  rate(): Aggregate<number>
  /** Sum, with its rounding error carried. */
  sum(column: Named<C, number>): Aggregate<number>
  mean(column: Named<C, number>): Aggregate<number | null>
  min(column: Named<C, number>): Aggregate<number | null>
  max(column: Named<C, number>): Aggregate<number | null>
  /** Population variance (divides by n). */
  variance(column: Named<C, number>): Aggregate<number | null>
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>): Aggregate<number | null>
  /** The q-quantile, 0 ≤ q ≤ 1, interpolated between the two nearest values. */
  quantile(column: Named<C, number>, q: number): Aggregate<number | null>
  /** The sum of one column over the sum of another; `null` when that is 0. */
  ratio(column: Named<C, number>, over: Named<C, number>): Aggregate<number | null>
  /** Of the oldest event, in event time. */
  first<K extends keyof C & string>(column: K): Aggregate<CellOf<C[K]>>
  /** Of the newest event, in event time. */
  last<K extends keyof C & string>(column: K): Aggregate<CellOf<C[K]>>
  /** Different values, exactly. */
  distinct(column: Named<C, string>): Aggregate<number>
  /** Events for which the column is true. */
  countWhere(column: Named<C, boolean>): Aggregate<number>
  /** The part of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>): Aggregate<number | null>
}

export interface SourceOptions<S extends StandardSchemaV1> {
  schema: S
  /** What windows are kept by. It must decide the partition too: produce with the same key. */
  key: (event: StandardSchemaV1.InferOutput<S>) => string
  /** Integer milliseconds since the epoch. */
  eventTimeMs: (event: StandardSchemaV1.InferOutput<S>) => number
  watermark: {
    /** How far behind the newest event of its partition an event may be and not be late. */
    lag: DurationMs
    /** A silent partition's watermark moves on after this time. @default never */
    idleAfter?: DurationMs
    /** How far ahead of the record's own Kafka timestamp an event time may be. @default 5 min */
    maxAhead?: DurationMs | 'none'
  }
  /** `dead-letter`: set aside, once · `drop`: only counted · `score`: scored on the windows as they are, entering none. */
  onLate: OnLate
  /**
   * By which rule the producers of this topic find a key's partition: `murmur2` in Java, kafkajs and Tidemark, `crc32` in librdkafka
   * unless it is told otherwise, and what is built on it (Python, Go, .NET).
   *
   * @default 'murmur2', though nothing is told of a record that only this says to be in the wrong partition
   */
  partitioner?: Partitioner | 'unknown' | null
  /**
   * What becomes of an event in another partition than that of its key, where windows are kept: no worker sees all events of such a key.
   * `warn`: it is told, once, when it is proved (a key was seen in two partitions, or differs from its record's and the `partitioner`
   * that the author has given says another one) · `dead-letter`: `KEY_PARTITION`, by the `partitioner` alone · `allow`
   *
   * @default 'warn'
   */
  keyMismatch?: KeyMismatch
}

export interface TopologyBuilder {
  source<S extends StandardSchemaV1>(
    topic: string,
    o: SourceOptions<S>,
  ): Stream<StandardSchemaV1.InferOutput<S>>
  table<S extends StandardSchemaV1>(
    name: string,
    o: {
      schema: S
      key: (row: StandardSchemaV1.InferOutput<S>) => string
      from: { readonly file: URL }
    },
  ): Table<StandardSchemaV1.InferOutput<S>>
}

/** A whole topology: frozen data. `Out` types its outputs by topic. */
export interface Topology<Out> extends Definition {
  readonly out?: Out
}

type AnySink = Sink<string, unknown>
type Each<R> = R extends readonly (infer K)[] ? K : R
export type SinkOrSinks = AnySink | readonly AnySink[]
export type OutputsOf<R> = {
  [K in Each<R> & AnySink as K['topic']]: K extends Sink<string, infer O> ? O : never
}
/** What a topology writes to one of its topics. */
export type OutputOf<T, K extends string> =
  T extends Topology<infer O> ? (K extends keyof O ? O[K] : never) : never
