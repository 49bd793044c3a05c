import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Mistake } from '../kernel/author-types.ts'
import type { Compression, Partitioner } from '../kernel/kafka.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { Definition, KeyMismatch, OnLate } from './definition.ts'
import type { Columns, Feature, FeatureKit } from './features.ts'
import type { FileTableOptions, Table, TopicTableOptions } from './lookup.ts'
import type { Model } from './model.ts'
import type {
  AnyModel,
  AnyOnnxModel,
  CommonOutputs,
  ModelVariants,
  ScoreOptions,
  SeveralModels,
} from './score-models.ts'
import type { AllDefined, FoundBy, Looked, SameNames, Scored, TakenTogether } from './scored.ts'
import type { RegisteredFormat } from './sink-format.ts'
import type { Formatted } from './source-format.ts'
import type { RecordWithValue, SourceRecord } from './source-record.ts'
import type { AggregateKit, Emit, WindowEvent, WindowField } from './window-results.ts'

// The calls that an author writes a topology with. Types only; builder.ts turns the calls into
// data.

/**
 * A topic that the topology writes; return it from the builder. `Out` is the type of the values
 * written.
 */
export interface Sink<T extends string, Out> {
  /** The topic's name in the topology; `--topic` can map it to another topic. */
  readonly topic: T
  /** Never present; it only carries the type. */
  readonly out?: Out
}

/**
 * A stream of events, in the order of their partition's log. Functions passed to its methods must
 * be pure: the same event must always give the same result. If one throws, its event is a dead
 * letter `FUNCTION_THREW`.
 */
export interface Stream<E> {
  /**
   * Keeps the events for which the function returns true. The others do not reach any later step
   * and count as skipped. A type guard (`(e): e is D`) narrows the type of the stream.
   */
  where<D extends E>(is: (event: E) => event is D): Stream<D>
  /**
   * Keeps the events for which the function returns true. The others do not reach any later step
   * and count as skipped.
   */
  where(keep: (event: E) => boolean): Stream<E>
  /** Replaces each event with what the function returns. Event time and key stay the same. */
  map<R>(to: (event: E) => R): Stream<R>
  /**
   * Splits the stream. Each event goes to the first branch, in the order of the object's keys,
   * whose condition is true, or to `rest` if none is.
   *
   * @throws TidemarkError `TOPOLOGY_INVALID`: a branch is named `rest`
   */
  branch<B extends Record<string, (event: E) => boolean>>(
    by: B,
  ): { readonly [K in keyof B]: Stream<E> } & { readonly rest: Stream<E> }
  /**
   * Leaves out duplicates: events whose id has come before. An event is a duplicate if an earlier
   * event of its key has the same id, and an event time less than `within` before or after its own;
   * whether that one was a duplicate itself makes no difference. A duplicate reaches no later step
   * and counts as `duplicate`.
   *
   * An event behind the watermark is late, never a duplicate, except where a tumbling window after
   * this step still takes it. With `onLate: 'score'` a late event passes without being compared.
   *
   * A worker refuses to start with a `within` that is not a whole number of milliseconds above 0:
   * `TOPOLOGY_INVALID`; after a model, or on the results of tumbling windows: `NOT_SUPPORTED`.
   */
  dedupe(o: {
    /**
     * The id of an event: a string that is not empty, else the event is a dead letter `ID_INVALID`.
     */
    by: (event: E) => string
    /** How long an id is remembered, in event time. Whole milliseconds above 0. */
    within: DurationMs
  }): Stream<E>
  /**
   * Defines the features of each event, for a model: `define` returns them by name. A worker
   * refuses to start, `NOT_SUPPORTED`, with features of scored events, or with windows over the
   * early results of tumbling windows.
   */
  features<Fs extends Record<string, Feature<never>>>(
    define: (f: FeatureKit<E>) => Fs,
  ): FeatureStream<E, Fs>
  /**
   * Aggregates the events of each key in aligned windows [start, end). The results are a new
   * stream: one event per key and window, emitted once the watermark has passed the window's end
   * plus `grace`, in the order (end, key).
   *
   * A worker refuses to start with a length that is not a whole number of milliseconds above 0, or
   * a field named like one that every result has (`key`, `windowStartMs`, `windowEndMs`,
   * `isFinal`): `TOPOLOGY_INVALID`; with windows over scores or over results of tumbling windows:
   * `NOT_SUPPORTED`.
   */
  tumbling<M extends Emit = 'final'>(
    length: DurationMs,
    o?: {
      /**
       * How long after its end a window still accepts events. Whole milliseconds, 0 or more.
       * @default 0
       */
      grace?: DurationMs
      /**
       * `early` also emits a result for each event that enters the window, with `isFinal: false`;
       * no windows can be defined over such a stream. @default 'final'
       */
      emit?: M
    },
  ): {
    /**
     * Defines the fields of the results. `columns` are what the aggregates read of each event, by
     * name. A value that is not finite, or not of the type that its aggregates take, makes its
     * event a dead letter `COLUMN_INVALID`.
     */
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
   * Writes each event to a topic, as JSON in UTF-8 unless it has another `format`. In JSON, NaN and
   * infinities become `null`, and fields that are `undefined` are left out. An event that has no
   * JSON form is a dead letter `OUTPUT_INVALID`; one that the topic does not accept is
   * `OUTPUT_TOO_LARGE` or `OUTPUT_TIMESTAMP`.
   *
   * @param topic 1 to 200 of `a-z A-Z 0-9 . _ -`. A worker refuses to start, `TOPOLOGY_INVALID`,
   * with any other name, with the source's, or with that of the dead-letter topic.
   */
  sink<const T extends string>(
    topic: T,
    o?: {
      /**
       * The key of the output record: a string that is not empty, else `KEY_INVALID`. @default the
       * key of the input record; for the result of a tumbling window, the key of the window
       */
      key?: (event: E) => string
      /**
       * Headers of each output, from the value that is written: text, which becomes UTF-8, or
       * bytes; one that is `null` is left out. They come after Tidemark's own and after those that
       * are passed on, of which it replaces any of the same name. Anything else, and a name that
       * begins with `tidemark-`, `tidemark.` or `__streams.errors.`, makes its event a dead letter
       * `OUTPUT_INVALID`. @default none
       */
      headers?: (event: E) => Readonly<Record<string, string | Buffer | null>>
      /**
       * How the topic's batches are compressed: `none`, `gzip`, `snappy`, `lz4` or `zstd`, which
       * needs Node 22.15, 23.8 or newer. Two sinks that say different things of one topic are
       * refused at start: `TOPOLOGY_INVALID`. @default as the operator says, `--compression`
       */
      compression?: Compression
      /**
       * What `avro`, `protobuf` or `jsonSchema` returns: the values have a schema in a schema
       * registry, whose address the worker has to be told (`--registry`). An event that does not
       * fit the schema is a dead letter `OUTPUT_INVALID`. A schema that is none is refused at
       * start: `TOPOLOGY_INVALID`.
       *
       * @default JSON
       */
      format?: RegisteredFormat
    },
  ): Sink<T, E>
}

/** Events with their features `Fs`, ready for a model to score. */
export interface FeatureStream<E, Fs> {
  /**
   * Scores only the events for which the function returns true. The others have entered the windows
   * all the same; they are not scored and count as skipped. A type guard (`(e): e is D`) narrows
   * the type of the stream.
   */
  where<D extends E>(is: (event: E) => event is D): FeatureStream<D, Fs>
  /**
   * Scores only the events for which the function returns true. The others have entered the windows
   * all the same; they are not scored and count as skipped.
   */
  where(keep: (event: E) => boolean): FeatureStream<E, Fs>
  /**
   * Scores each event with one of several models: the first rule that holds says which. The
   * features must be exactly those that the models take together, in any order, and those that are
   * carried; each model gets its own. Events go on in the order of their log, whatever scores them.
   *
   * A worker refuses to start with a share that is not a number of 1/10,000 from 0 to 1, with two
   * rules of one name, or with models that have no output in common: `TOPOLOGY_INVALID`.
   */
  score<const M extends Record<string, AnyModel>, const C extends keyof Fs & string = never>(
    several: SeveralModels<E, keyof Fs & string, M> & {
      models: M & TakenTogether<keyof Fs & string, M[keyof M], C> & AllDefined<E, Omit<Fs, C>>
    },
    o?: ScoreOptions<C>,
  ): ScoredBy<E, Fs, CommonOutputs<M[keyof M]>>
  /**
   * Scores each event with one of several variants of a model: the most accurate one that meets the
   * budget. It is chosen when the group has committed nothing yet, and kept until the operator says
   * otherwise, `--variant`.
   *
   * A worker refuses to start if no variant meets both: `MODEL_TOO_SLOW`.
   */
  score<const V extends readonly AnyOnnxModel[], const C extends keyof Fs & string = never>(
    several: ModelVariants & {
      variants: V & TakenTogether<keyof Fs & string, V[number], C> & AllDefined<E, Omit<Fs, C>>
    },
    o?: Omit<ScoreOptions<C>, 'latencyBudget'>,
  ): ScoredBy<E, Fs, CommonOutputs<V[number]>>
  /**
   * Scores each event with the model. The features must be exactly those of the model, in any
   * order, and those that are carried. An event with an infinite feature is a dead letter
   * `FEATURE_NOT_FINITE`.
   */
  score<F extends readonly string[], O, const C extends keyof Fs & string = never>(
    model: Model<F, O> & SameNames<keyof Fs & string, F, C> & AllDefined<E, Omit<Fs, C>>,
    o?: ScoreOptions<C>,
  ): ScoredBy<E, Fs, O>
}

/** A stream of scored events. */
type ScoredBy<E, Fs, O> = Stream<Scored<E, keyof Fs & string, O> & Looked<FoundBy<Fs>>>

/** How a topology reads the records of its source topic, for {@link TopologyBuilder.source}. */
export interface SourceOptions<S extends StandardSchemaV1> {
  /**
   * Validates each record's value. Any synchronous Standard Schema (zod, valibot, arktype, …). A
   * value that it rejects is a dead letter `SCHEMA_INVALID`; if it throws or returns a promise,
   * `FUNCTION_THREW`.
   *
   * The schema alone means JSON values. `text(schema)` means text, `cloudEvents(schema)`
   * CloudEvents, and `registry(schema)` values whose own schemas are in a schema registry.
   */
  schema: S | Formatted<S>
  /**
   * Decodes each record that has a value, instead of a format; what it returns is validated by
   * `schema`, which then must be a schema alone. If it throws, or returns a promise, the record is
   * a dead letter `PAYLOAD_INVALID`.
   *
   * @default values are JSON, or what `schema` says
   */
  decode?: (record: RecordWithValue) => unknown
  /**
   * The key that windows are kept by: a string that is not empty, else the event is a dead letter
   * `KEY_INVALID`. All events of a key must be in one partition: produce records with the same key.
   *
   * A function that takes the record too is called for each event, which is slower.
   */
  key: (event: StandardSchemaV1.InferOutput<S>, record: SourceRecord) => string
  /**
   * Event time, whole milliseconds since the epoch. Not a whole number: dead letter `TIME_INVALID`.
   * Before 1980 or not before 2100, as seconds or microseconds would be: `TIME_UNIT`.
   *
   * `record`: the Kafka timestamp of the record. Then `maxAhead` guards nothing: bound the topic's
   * timestamps instead. A record without a timestamp is a dead letter `TIME_INVALID`.
   *
   * A function that takes the record too is called for each event, which is slower.
   */
  eventTimeMs: ((event: StandardSchemaV1.InferOutput<S>, record: SourceRecord) => number) | 'record'
  /**
   * Which events are late, and which lie in the future. Durations out of bounds are refused at
   * start: `TOPOLOGY_INVALID`.
   */
  watermark: {
    /**
     * How far the watermark is behind the latest event time of its partition. An event with a time
     * before the watermark is late, except in a tumbling window that is still open. 0 or more.
     */
    lag: DurationMs
    /**
     * How long a partition must be silent until its watermark advances with the wall clock. More
     * than 0. @default never
     */
    idleAfter?: DurationMs
    /**
     * How far an event time may be after the Kafka timestamp of its own record; beyond that the
     * event is a dead letter `FUTURE`. 0 or more; `none` disables the check. @default 5 min
     */
    maxAhead?: DurationMs | 'none'
  }
  /**
   * What happens to a late event. `dead-letter`: it becomes one dead letter `LATE` · `drop`: it is
   * only counted · `score`: it is scored on the windows as they are, and enters none.
   */
  onLate: OnLate
  /**
   * What happens to a record without a value. `dead-letter`: it is a dead letter `TOMBSTONE` ·
   * `skip`: it is counted as skipped · a function of the record's key, as text: what it returns is
   * validated by the schema, and is the event. If it throws, the record is a dead letter
   * `FUNCTION_THREW`; if its key is not UTF-8, `KEY_INVALID`.
   *
   * @default 'dead-letter'
   */
  onTombstone?:
    | 'dead-letter'
    | 'skip'
    | ((key: string, record: SourceRecord) => StandardSchemaV1.InferInput<S>)
  /**
   * The partitioner of this topic's producers: `murmur2` for Java, kafkajs and Tidemark; `crc32`
   * for librdkafka and clients built on it (Python, Go, .NET), unless configured otherwise;
   * `unknown`: no partition can be told from a key (refused with `keyMismatch: 'dead-letter'`).
   *
   * @default 'murmur2', but a record that is in the wrong partition by this default alone is not
   * reported
   */
  partitioner?: Partitioner | 'unknown'
  /**
   * What happens to an event that is not in the partition of its key, in a topology with windows:
   * no worker sees all events of such a key.
   *
   * `warn`: logs one warning, once there is proof: a key was seen in two partitions, or the event's
   * key differs from the record's and the `partitioner` that you have set says another partition ·
   * `dead-letter`: the event is a dead letter `KEY_PARTITION`, going by the `partitioner` alone ·
   * `allow`: nothing.
   *
   * @default 'warn'
   */
  keyMismatch?: KeyMismatch
  /**
   * Names of headers that outputs get from the record of their event, as they are and in their
   * order, however many there are of a name; `traceparent` and `tracestate` always. The result of a
   * tumbling window has many records, and gets none. A name that begins with `tidemark-`,
   * `tidemark.` or `__streams.errors.` is refused at start: `TOPOLOGY_INVALID`.
   *
   * @default those two
   */
  passHeaders?: readonly string[]
}

/** What a topology is built with; passed to the function given to {@link defineTopology}. */
export interface TopologyBuilder {
  /**
   * Reads a topic; a topology reads exactly one. Dead letters go to a topic of the same name with
   * `.dlq` appended.
   *
   * @param topic 1 to 200 of `a-z A-Z 0-9 . _ -`, else refused at start: `TOPOLOGY_INVALID`
   * @throws TidemarkError `TOPOLOGY_INVALID`: a second source
   */
  source<S extends StandardSchemaV1>(
    topic: string,
    o: SourceOptions<S>,
  ): Stream<StandardSchemaV1.InferOutput<S>>
  /**
   * Declares a lookup table: rows by key, in memory. A worker reads them before its first event and
   * keeps them up to date. A file that cannot be read, and rows of it that do not fit the schema or
   * whose key is empty or not unique, are refused at start: `TABLE_INVALID`, with line numbers. An
   * invalid record of a topic is logged and counted, and its key then has no row.
   *
   * @param name unique in the topology
   */
  table<S extends StandardSchemaV1, const N extends string>(
    name: N,
    o: FileTableOptions<S> | TopicTableOptions<S>,
  ): Table<StandardSchemaV1.InferOutput<S>, N>
}

/**
 * A complete topology as frozen data, for workers, tests and the command line. `Out` maps each
 * output topic to the type of its values.
 */
export interface Topology<Out> extends Definition {
  /** Never present; it only carries the types. */
  readonly out?: Out
}

type AnySink = Sink<string, unknown>
type Each<R> = R extends readonly (infer K)[] ? K : R
/** What a builder may return. */
export type SinkOrSinks = AnySink | readonly AnySink[]
/** `R` if a builder may return it; otherwise a type that no value has and that says what to do. */
export type Returned<R> = R extends SinkOrSinks
  ? R
  : Mistake<'end every stream with .sink(topic), and return the sink, or an array of the sinks'>
/** The type of the values written, by topic, of what a builder returns. */
export type OutputsOf<R> = {
  [K in Each<R> & AnySink as K['topic']]: K extends Sink<string, infer O> ? O : never
}
/**
 * The type of the values that the topology `T` writes to its topic `K`: `OutputOf<typeof topology,
 * 'predictions'>`.
 */
export type OutputOf<T, K extends string> =
  T extends Topology<infer O> ? (K extends keyof O ? O[K] : never) : never
