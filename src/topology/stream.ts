import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Mistake } from '../kernel/mistake.ts'
import type { Partitioner } from '../kernel/partitioners.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Definition, KeyMismatch, OnLate } from './definition.ts'
import type { Columns, Feature, FeatureKit, Named } from './features.ts'
import type { LatencyUse } from './latency-budgets.ts'
import type { Table } from './lookup.ts'
import type { Model } from './model.ts'

// The words an author writes a topology with. Types only; builder.ts turns the calls into data.

type Check<K extends string, F extends readonly string[]> = [Exclude<F[number], K>] extends [never]
  ? [Exclude<K, F[number]>] extends [never]
    ? unknown
    : Mistake<`the feature '${Exclude<K, F[number]>}' is no input of the model: leave it out`>
  : Mistake<`the model needs the feature '${Exclude<F[number], K>}': define it`>
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
  : Mistake<`some kinds of event have no feature '${Undefined<E, Fs> & string}': call .where(isKind) before .score`>

/** A number, or one for each named column. */
type ScoreOf<P> = P extends { readonly columns: readonly (infer C extends string)[] }
  ? { readonly [K in C]: number }
  : number

/**
 * An event with its features and the model's answer. `E` is the event, `K` the features' names, `O`
 * the model's outputs.
 */
export interface Scored<E, K extends string, O> {
  /** As it was before its features were named. */
  readonly event: E
  /** The numbers the model saw, as float32; NaN only with `missing: 'nan'`. */
  readonly features: Readonly<Record<K, number>>
  /**
   * Each output of the model: a number, or with `columns` one for each. A float32 is given as the
   * shortest decimal that rounds to it, a bool as 0 or 1. Always finite: anything else is a dead
   * letter `SCORE_NOT_FINITE`.
   */
  readonly score: { readonly [P in keyof O]: ScoreOf<O[P]> }
  /**
   * `name@version`; of a file that an operator has put in its place `name@version+` and 8 digits of
   * its sha256.
   */
  readonly model: string
}

/**
 * A topic that is written, as the builder of a topology returns it. `Out` is what is written there.
 */
export interface Sink<T extends string, Out> {
  /** As the topology names it; `--topic` may put another in its place. */
  readonly topic: T
  /** Never there: it carries the type. */
  readonly out?: Out
}

/**
 * Events on their way, in the order of their partition's log. Functions given to it must be pure:
 * same event, same answer. One that throws makes its event a dead letter `FUNCTION_THREW`.
 */
export interface Stream<E> {
  /**
   * Keeps some events; the others enter nothing that follows and are counted as skipped. With a
   * function that tells a kind of event (`(e): e is D`), what follows knows of that kind only.
   */
  where<D extends E>(is: (event: E) => event is D): Stream<D>
  where(keep: (event: E) => boolean): Stream<E>
  /** Makes another value of each event. Event time and key stay. */
  map<R>(to: (event: E) => R): Stream<R>
  /**
   * Splits by the first condition that holds, in the order in which they are given; `rest` is what
   * none takes.
   *
   * @throws TidemarkError `TOPOLOGY_INVALID`: a branch is named `rest`
   */
  branch<B extends Record<string, (event: E) => boolean>>(
    by: B,
  ): { readonly [K in keyof B]: Stream<E> } & { readonly rest: Stream<E> }
  /**
   * Names the numbers of each event, for a model. Refused at start, `NOT_SUPPORTED`: features of
   * what a model has answered, and windows over early results of windows.
   */
  features<Fs extends Record<string, Feature<never>>>(
    define: (f: FeatureKit<E>) => Fs,
  ): FeatureStream<E, Fs>
  /**
   * Aligned windows [start, end) of each key as a stream of their own: one event for each window,
   * once the watermark has passed its end and the grace, in the order (end, key).
   *
   * `length`: whole milliseconds above 0. `grace`: how long after its end a window still takes
   * events, whole milliseconds, @default 0. `emit`, @default 'final'; `early`: also a result for
   * each event that enters, with `isFinal: false`; no windows can be kept over those. Refused at
   * start: other lengths, and a field that every result has already, `TOPOLOGY_INVALID`; windows
   * over scores and over results of windows, `NOT_SUPPORTED`.
   *
   * `columns`: what the aggregates read of an event. A cell that is not of the type its aggregates
   * take, or not finite, makes its event a dead letter `COLUMN_INVALID`.
   */
  tumbling<M extends Emit = 'final'>(
    length: DurationMs,
    o?: { grace?: DurationMs; emit?: M },
  ): {
    aggregate<C extends Columns<E>, R extends Record<string, WindowField<unknown>>>(
      columns: C,
      define: (a: AggregateKit<C>) => R,
    ): Stream<
      WindowEvent &
        (M extends 'early' ? { readonly isFinal: boolean } : unknown) & {
          readonly [K in keyof R]: R[K] extends WindowField<infer V> ? V : never
        }
    >
  }
  /**
   * Writes each event as JSON in UTF-8: NaN and the infinities become `null`, fields that are
   * undefined are left out. What has no JSON form is a dead letter `OUTPUT_INVALID`; what the topic
   * does not take, `OUTPUT_TOO_LARGE` or `OUTPUT_TIMESTAMP`.
   *
   * `topic`: 1 to 200 of `a-z A-Z 0-9 . _ -`, neither the source nor its dead letters, else refused
   * at start: `TOPOLOGY_INVALID`. `key`: text that is not empty, else `KEY_INVALID`, @default the
   * input record's own key; of a window's result the window's.
   */
  sink<const T extends string>(topic: T, o?: { key?: (event: E) => string }): Sink<T, E>
}

/** Events with their features `Fs`, on their way to a model. */
export interface FeatureStream<E, Fs> {
  /** Events that stay in the windows but are not scored from here on; counted as skipped. */
  where<D extends E>(is: (event: E) => event is D): FeatureStream<D, Fs>
  where(keep: (event: E) => boolean): FeatureStream<E, Fs>
  /**
   * Scores each event. The features must be those of the model, in any order.
   *
   * `missing: 'nan'` lets a NaN feature reach the model; without it such an event is a dead letter
   * `FEATURE_NOT_FINITE`, as is one with an infinite feature in any case. `latencyBudget`: the
   * longest one batch may take, above 0, @default 50 ms; it bounds the batch, and a model that
   * takes longer for one row is refused at start: `MODEL_TOO_SLOW`. Or what the predictions are
   * for: then a batch may take half of the target, and what takes longer than target or maximum
   * (ms, from the chunk's coming to the worker to its commit) is counted and logged: `fraud` 50/100
   * · `recommendations` 100/200 · `search` 20/50 · `ads` 10/25 · `chat` 200/500 · `batch` neither,
   * 1 s a batch.
   */
  score<F extends readonly string[], O>(
    model: Model<F, O> & Check<keyof Fs & string, F> & Defined<E, Fs>,
    o?: { missing?: 'nan'; latencyBudget?: DurationMs | LatencyUse },
  ): Stream<Scored<E, keyof Fs & string, O>>
}

/**
 * When a tumbling window says something: once it has closed, or also for each event that enters.
 */
export type Emit = 'final' | 'early'

/**
 * What each result of a tumbling window has beside its aggregates. Its event time is `windowEndMs −
 * 1`.
 */
export interface WindowEvent {
  /** The key whose events are in the window. */
  readonly key: string
  /** Its first millisecond, since the epoch: a multiple of the length. */
  readonly windowStartMs: number
  /** The first millisecond that is no longer in it, since the epoch. */
  readonly windowEndMs: number
}
/**
 * A field of a tumbling window's result, as each word for an aggregate gives it; `V` is its type.
 */
export interface WindowField<V> {
  /** Never there: it carries the type. */
  readonly value?: V
}
type CellOf<F> = F extends (event: never) => infer V ? V : never
/**
 * Aggregates over one closed window, as fields of its event; `null` where there is no number. `C`
 * are the columns.
 */
export interface AggregateKit<C> {
  /** Events in the window. */
  count(): WindowField<number>
  /** Events a second, over the whole length of the window. */
  rate(): WindowField<number>
  /** Sum, with its rounding error carried. */
  sum(column: Named<C, number>): WindowField<number>
  /** Arithmetic mean. */
  mean(column: Named<C, number>): WindowField<number | null>
  /** Least value. */
  min(column: Named<C, number>): WindowField<number | null>
  /** Largest value. */
  max(column: Named<C, number>): WindowField<number | null>
  /** Population variance (divides by n). */
  variance(column: Named<C, number>): WindowField<number | null>
  /** Population standard deviation (divides by n). */
  std(column: Named<C, number>): WindowField<number | null>
  /** Population skewness, m₃ / m₂^1.5; `null` where the values are all equal. */
  skewness(column: Named<C, number>): WindowField<number | null>
  /**
   * Population excess kurtosis, m₄ / m₂² − 3: 0 of a normal distribution; `null` where the values
   * are all equal.
   */
  kurtosis(column: Named<C, number>): WindowField<number | null>
  /** The q-quantile, 0 ≤ q ≤ 1, interpolated between the two nearest values. */
  quantile(column: Named<C, number>, q: number): WindowField<number | null>
  /** The sum of one column over the sum of another; `null` when that is 0. */
  ratio(column: Named<C, number>, over: Named<C, number>): WindowField<number | null>
  /**
   * Sum of what is left of each value at the window's end, `windowEndMs`, when it halves with every
   * `halfLife` since its event. A half-life that is no whole number of milliseconds above 0 is
   * refused at start: `TOPOLOGY_INVALID`.
   */
  decayedSum(column: Named<C, number>, halfLife: DurationMs): WindowField<number>
  /** Of the oldest event, in event time. */
  first<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** Of the newest event, in event time. */
  last<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** Different values, exactly. */
  distinct(column: Named<C, string>): WindowField<number>
  /** Events for which the column is true. */
  countWhere(column: Named<C, boolean>): WindowField<number>
  /** The part of the events, 0 to 1, for which the column is true. */
  share(column: Named<C, boolean>): WindowField<number | null>
}

/** How a topology takes the records of its source, for {@link TopologyBuilder.source}. */
export interface SourceOptions<S extends StandardSchemaV1> {
  /**
   * Any Standard Schema that answers at once (zod, valibot, arktype, …). What it refuses is a dead
   * letter `SCHEMA_INVALID`.
   */
  schema: S
  /**
   * What windows are kept by: text that is not empty, else `KEY_INVALID`. It must decide the
   * partition too: produce with the same key.
   */
  key: (event: StandardSchemaV1.InferOutput<S>) => string
  /**
   * Integer milliseconds since the epoch, from 1980 to 2100, else `TIME_INVALID` or, in another
   * unit, `TIME_UNIT`.
   */
  eventTimeMs: (event: StandardSchemaV1.InferOutput<S>) => number
  /**
   * What counts as late, and what as too early. Lengths out of bounds are refused at start:
   * `TOPOLOGY_INVALID`.
   */
  watermark: {
    /**
     * How far behind the newest event of its partition an event may be and not be late. 0 or more.
     */
    lag: DurationMs
    /** A silent partition's watermark moves on after this time. More than 0. @default never */
    idleAfter?: DurationMs
    /**
     * How far ahead of the record's own Kafka timestamp an event time may be, else `FUTURE`. 0 or
     * more. @default 5 min
     */
    maxAhead?: DurationMs | 'none'
  }
  /**
   * What becomes of an event behind the watermark. `dead-letter`: set aside as `LATE`, once ·
   * `drop`: only counted · `score`: scored on the windows as they are, entering none.
   */
  onLate: OnLate
  /**
   * By which rule the producers of this topic find a key's partition: `murmur2` in Java, kafkajs
   * and Tidemark, `crc32` in librdkafka unless it is told otherwise, and what is built on it
   * (Python, Go, .NET).
   *
   * @default 'murmur2', though nothing is told of a record that only this says to be in the wrong
   * partition
   */
  partitioner?: Partitioner | 'unknown'
  /**
   * What becomes of an event in another partition than that of its key, where windows are kept: no
   * worker sees all events of such a key. `warn`: it is told, once, when it is proved (a key was
   * seen in two partitions, or differs from its record's and the `partitioner` that the author has
   * given says another one) · `dead-letter`: `KEY_PARTITION`, by the `partitioner` alone · `allow`
   *
   * @default 'warn'
   */
  keyMismatch?: KeyMismatch
}

/** What a topology is built with. */
export interface TopologyBuilder {
  /**
   * The one topic that is read. Its name is 1 to 200 of `a-z A-Z 0-9 . _ -`; dead letters go to the
   * same with `.dlq`.
   *
   * @throws TidemarkError `TOPOLOGY_INVALID`: a second source
   */
  source<S extends StandardSchemaV1>(
    topic: string,
    o: SourceOptions<S>,
  ): Stream<StandardSchemaV1.InferOutput<S>>
  /**
   * Rows to look up by key, read into memory when a worker starts.
   *
   * `name`: no other table's. `schema`: of a row. `key`: text that is not empty, another for each
   * row. `from`: what `file(url)` gives. A file that cannot be read and rows that are not so are
   * refused at start: `TABLE_INVALID`, with their lines.
   */
  table<S extends StandardSchemaV1>(
    name: string,
    o: {
      schema: S
      key: (row: StandardSchemaV1.InferOutput<S>) => string
      from: { readonly file: URL }
    },
  ): Table<StandardSchemaV1.InferOutput<S>>
}

/**
 * A whole topology: frozen data, for workers, tests and the command line. `Out` types its outputs
 * by topic.
 */
export interface Topology<Out> extends Definition {
  /** Never there: it carries the types. */
  readonly out?: Out
}

type AnySink = Sink<string, unknown>
type Each<R> = R extends readonly (infer K)[] ? K : R
export type SinkOrSinks = AnySink | readonly AnySink[]
/** What a builder returns, if it is what it must return. */
export type Returned<R> = R extends SinkOrSinks
  ? R
  : Mistake<'end every stream with .sink(topic), and return the sink, or an array of the sinks'>
export type OutputsOf<R> = {
  [K in Each<R> & AnySink as K['topic']]: K extends Sink<string, infer O> ? O : never
}
/** What the topology `T` writes to its topic `K`: `OutputOf<typeof topology, 'predictions'>`. */
export type OutputOf<T, K extends string> =
  T extends Topology<infer O> ? (K extends keyof O ? O[K] : never) : never
