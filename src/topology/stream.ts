import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Mistake } from '../kernel/author-types.ts'
import type { Compression } from '../kernel/kafka.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { AggregateKit, WindowEvent, WindowField } from './aggregate-methods.ts'
import type { Definition, Emit } from './definition.ts'
import type { Columns, Feature, FeatureKit, Found } from './features.ts'
import type { FileTableOptions, Table, TopicTableOptions } from './lookup.ts'
import type { Model, ModelRule } from './models.ts'
import type { Reused } from './reuse.ts'
import type {
  AnyModel,
  AnyOnnxModel,
  CommonOutputs,
  ModelVariants,
  ScoreBy,
  ScoreOptions,
  SeveralModels,
} from './score-options.ts'
import type { RegisteredFormat } from './sink-format.ts'
import type { SourceOptions } from './source.ts'
import type { Store, StoreOptions, SystemSink } from './store.ts'

// The calls that an author writes a topology with. Types only; builder.ts turns them into data.

/**
 * A topic that the topology writes, by its name there, which `--topic` can map to another topic;
 * return it from the builder. `Out`, which only carries a type, is that of its values.
 */
export interface Sink<T extends string, Out, In = unknown> {
  /**
   * The topic's name in the topology; `--topic` can map it to another topic. For a sink in Redis,
   * its name.
   */
  readonly topic: T
  /** Never present; it only carries the type. */
  readonly out?: Out
  /** Never present; it only carries the type of the source's events before its schema. */
  readonly in?: In
}

/** Options of a sink for values `V`. */
export interface SinkOptions<V> {
  /**
   * The key of the output record: a string that is not empty, else `KEY_INVALID`. @default that of
   * the input record, or of the tumbling window
   */
  readonly key?: (event: V) => string
  /**
   * Headers of each output, from the value that is written: text, which becomes UTF-8, or bytes;
   * `null` is left out. They come after Tidemark's own and those that are passed on, and replace the
   * latter by name. Anything else, and a name that begins with `tidemark-`, `tidemark.` or
   * `__streams.errors.`: `OUTPUT_INVALID`. @default none
   */
  readonly headers?: (event: V) => Readonly<Record<string, string | Buffer | null>>
  /**
   * How the topic's batches are compressed; `zstd` needs Node 22.15, 23.8 or newer. Two sinks that
   * differ about one topic are refused. @default as the operator says, `--compression`
   */
  readonly compression?: Compression
  /**
   * The result of `avro`, `protobuf` or `jsonSchema`: the values have a schema in a schema registry,
   * whose address the worker has to be told (`--registry`). A schema that is none is refused.
   * @default JSON in UTF-8: NaN and infinities become `null`, fields that are `undefined` are left
   * out
   */
  readonly format?: RegisteredFormat
}

/**
 * A stream of events, in the order of their partition's log. Functions must be pure: the same event
 * always gives the same result. If one throws, its event is a dead letter `FUNCTION_THREW`.
 *
 * Refused means: a worker does not start. The code is `TOPOLOGY_INVALID`, unless another is named.
 */
export interface Stream<E, In = unknown> {
  /** A type guard (`(e): e is D`) narrows the type of the stream. */
  where<D extends E>(is: (event: E) => event is D): Stream<D, In>
  /** Keeps the events for which it returns true. The others count as skipped. */
  where(keep: (event: E) => boolean): Stream<E, In>
  /** Replaces each event with the result of the function. Event time and key stay the same. */
  map<R>(to: (event: E) => R): Stream<R, In>
  /**
   * Splits the stream. Each event goes to the first branch, in the order of the object's keys,
   * whose condition is true, or else to `rest`.
   * @throws TidemarkError `TOPOLOGY_INVALID`: a branch is named `rest`
   */
  branch<B extends Record<string, (event: E) => boolean>>(
    by: B,
  ): { readonly [K in keyof B]: Stream<E, In> } & { readonly rest: Stream<E, In> }
  /**
   * Leaves out duplicates, which count as `duplicate`: events with the id of an earlier event of
   * their key, duplicate or not, less than `within` before or after it in event time.
   *
   * An event behind the watermark is late, never a duplicate, except where a tumbling window after
   * this step still takes it. With `onLate: 'score'` a late event passes without being compared.
   *
   * Refused after a model, or on the results of tumbling windows: `NOT_SUPPORTED`.
   */
  dedupe(o: {
    /** The id: a string that is not empty, else the event is a dead letter `ID_INVALID`. */
    by: (event: E) => string
    /** How long an id is remembered, in event time. Whole milliseconds above 0, else refused. */
    within: DurationMs
  }): Stream<E, In>
  /**
   * Defines the features of each event, for a model: `define` returns them by name. Refused of
   * scored events, or with windows over early results of tumbling windows: `NOT_SUPPORTED`.
   */
  features<Fs extends Record<string, Feature<never>>>(
    define: (f: FeatureKit<E>) => Fs,
  ): FeatureStream<E, Fs, In>
  /**
   * Aggregates the events of each key in aligned windows [start, end). The results are a new
   * stream: one event per key and window, emitted once the watermark has passed the window's end
   * plus `grace`, in the order (end, key).
   *
   * Refused over scores or results of tumbling windows: `NOT_SUPPORTED`.
   *
   * @param length whole milliseconds above 0, else refused
   */
  tumbling<M extends Emit = 'final'>(
    length: DurationMs,
    o?: {
      /** How long after its end a window accepts events. Whole ms, 0 or more. @default 0 */
      grace?: DurationMs
      /**
       * `early` also emits a result, `isFinal: false`, for each event that enters the window; no
       * windows can be defined over such a stream. @default 'final'
       */
      emit?: M
    },
  ): {
    /**
     * Defines the fields of the results. One named like a field that every result has (`key`,
     * `windowStartMs`, `windowEndMs`, `isFinal`) is refused.
     *
     * @param columns values that the aggregates read of each event. A value that is not finite, or
     * not of the type that its aggregates take, makes its event a dead letter `COLUMN_INVALID`
     */
    aggregate<C extends Columns<E>, R extends Record<string, WindowField<unknown>>>(
      columns: C,
      define: (a: AggregateKit<C>) => R,
    ): Stream<
      WindowEvent &
        (M extends 'early' ? { readonly isFinal: boolean } : unknown) & {
          readonly [K in keyof R]: R[K] extends WindowField<infer V> ? V : never
        },
      In
    >
  }
  /**
   * Writes each event to Redis, as `redis({ name, key, ttl })` says, before the offset is committed.
   * An event without JSON is a dead letter `OUTPUT_INVALID`.
   */
  sink<const N extends string>(to: SystemSink<N, E>): Sink<N, E, In>
  /**
   * Writes each event to a topic. An event that has no form in the topic's format is a dead letter
   * `OUTPUT_INVALID`; one that the topic does not accept, `OUTPUT_TOO_LARGE` or `OUTPUT_TIMESTAMP`.
   *
   * @param topic 1 to 200 of `a-z A-Z 0-9 . _ -`. Any other name, the source's and that of the
   * dead-letter topic are refused
   */
  sink<const T extends string>(topic: T, o?: SinkOptions<E>): Sink<T, E, In>
}

/**
 * Events with their features `Fs`. Every event has entered the windows, whatever comes after them.
 * Functions get the features as a model does: as float32; one without a value is NaN.
 */
export interface FeatureStream<E, Fs, In = unknown> {
  /**
   * A type guard (`(e): e is D`) narrows the type of the stream. If no condition before a step reads
   * features, those of events that do not reach it are not computed.
   */
  where<D extends E>(
    is: (
      event: ConditionEvent<E, Fs>,
      features: FeaturesOf<Fs>,
    ) => event is ConditionEvent<E, Fs> & D,
  ): FeatureStream<D, Fs, In>
  where<D extends E>(
    is: (event: E, features: FeaturesOf<Fs>) => event is D,
  ): FeatureStream<D, Fs, In>
  /** Keeps the events for which it returns true. The others count as skipped. */
  where(keep: FeaturedCondition<E, Fs>): FeatureStream<E, Fs, In>
  /** Replaces each event with the result of the function. Event time and key stay the same. */
  map<R>(to: (event: Featured<E, Fs>) => R): Stream<R>
  /**
   * Splits the stream. Each event goes to the first branch, in the order of the object's keys,
   * whose condition is true, or to `rest` if none is.
   *
   * @throws TidemarkError `TOPOLOGY_INVALID`: a branch is named `rest`
   */
  branch<B extends Record<string, FeaturedCondition<E, Fs>>>(
    by: B,
  ): { readonly [K in keyof B]: FeatureStream<E, Fs, In> } & {
    readonly rest: FeatureStream<E, Fs, In>
  }

  /**
   * Adds features that are computed from those before, as `({ amount, mean24h }) => amount / mean24h`:
   * from their float64 values, rounded once. Arithmetic, comparisons and functions of `Math` are
   * compiled; any other function is called. A result that is not a number, such as `true`, makes
   * its event a dead letter `COLUMN_INVALID`; NaN is scored only with `missing: 'nan'`.
   *
   * @param o `drop`: features before that are left out behind it @default none is
   */
  derive<
    D extends Record<string, (features: FeaturesOf<Fs>) => number>,
    const X extends keyof Fs & string = never,
  >(
    derived: D & Unused<keyof D, keyof Fs>,
    o?: { drop?: readonly X[] },
  ): FeatureStream<E, Omit<Fs, X> & Readonly<Record<keyof D, Feature<unknown>>>, In>

  /** Writes each event with its features to Redis, as {@link Stream.sink} does. */
  sink<const N extends string>(to: SystemSink<N, Featured<E, Fs>>): Sink<N, Featured<E, Fs>, In>
  /** Writes each event with its features to a topic, as {@link Stream.sink} does. */
  sink<const T extends string>(
    topic: T,
    o?: SinkOptions<Featured<E, Fs>>,
  ): Sink<T, Featured<E, Fs>, In>
  /**
   * Scores each event with one of several models: the first rule that holds says which. The
   * features must be exactly those that the models take together, in any order, and those that are
   * carried; each model gets its own. Events go on in the order of their log, whatever scores them.
   *
   * Refused at start, `TOPOLOGY_INVALID`: two rules of one name, models without a common output.
   */
  score<
    const M extends Record<string, AnyModel>,
    const C extends keyof Fs & string = never,
    R = never,
  >(
    several: SeveralModels<ConditionEvent<E, Fs>, keyof Fs & string, M, R> & {
      models: M & TakenTogether<keyof Fs & string, M[keyof M], C> & AllDefined<E, Omit<Fs, C>>
    },
    o?: ScoreOptions<C>,
  ): ScoredBy<E, Fs, In, CommonOutputs<M[keyof M]>, Reusing<R>>
  /**
   * Scores each event with one of several variants of a model: the most accurate one that meets the
   * budget. It is chosen when the group has committed nothing yet, and kept until the operator says
   * otherwise, `--variant`. If none meets budget and accuracy, refused at start: `MODEL_TOO_SLOW`.
   */
  score<const V extends readonly AnyOnnxModel[], const C extends keyof Fs & string = never>(
    several: ModelVariants & {
      variants: V & TakenTogether<keyof Fs & string, V[number], C> & AllDefined<E, Omit<Fs, C>>
    },
    o?: Omit<ScoreOptions<C>, 'latencyBudget'>,
  ): ScoredBy<E, Fs, In, CommonOutputs<V[number]>>
  /**
   * Scores each event with the model. The features must be those of the model, in any order, and
   * those that are carried. With an infinite one, the event is a dead letter `FEATURE_NOT_FINITE`.
   */
  score<F extends readonly string[], O, const C extends keyof Fs & string = never>(
    model: Model<F, O> & SameNames<keyof Fs & string, F, C> & AllDefined<E, Omit<Fs, C>>,
    o?: ScoreOptions<C>,
  ): ScoredBy<E, Fs, In, O>
}

/** Checks that derived features `D` have names of their own. */
type Unused<D, K> = [Extract<D, K>] extends [never]
  ? unknown
  : Mistake<`there is a feature '${Extract<D, K> & string}' already: choose another name`>

/** Features as a model sees them: float32, NaN without a value. */
export type FeaturesOf<Fs> = Readonly<Record<keyof Fs & string, number>>

/** An event with its features. */
export type Featured<E, Fs> = {
  /** The event that `.features` was called on. */
  readonly event: E
  readonly features: FeaturesOf<Fs>
} & Looked<FoundBy<Fs>>

/**
 * An event as conditions get it: beside its own fields it has those that a map gets, as far as the
 * condition itself reads them: `({ event, features }) => …`.
 */
type ConditionEvent<E, Fs> = E & Omit<Featured<E, Fs>, keyof E>
type FeaturedCondition<E, Fs> = (event: ConditionEvent<E, Fs>, features: FeaturesOf<Fs>) => boolean

type ScoredBy<E, Fs, In, O, U = unknown> = Stream<
  Scored<E, keyof Fs & string, O> & Looked<FoundBy<Fs>> & U,
  In
>
type Reusing<R> = [R] extends [never]
  ? unknown
  : {
      /** `null`: the event was scored live. */
      readonly reuse: Reused | null
    }

/** Builds a topology; passed to the function given to {@link defineTopology}. */
export interface TopologyBuilder {
  /**
   * Reads a topic; a topology reads exactly one. Dead letters go to the topic named so plus `.dlq`.
   * @param topic 1 to 200 of `a-z A-Z 0-9 . _ -`, else refused at start: `TOPOLOGY_INVALID`
   * @throws TidemarkError `TOPOLOGY_INVALID`: a second source
   */
  source<S extends StandardSchemaV1>(
    topic: string,
    o: SourceOptions<S>,
  ): Stream<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>
  /**
   * Declares a lookup table: rows by key, in memory. A worker reads them before its first event and
   * keeps them up to date.
   * @param name unique in the topology
   */
  table<S extends StandardSchemaV1, const N extends string>(
    name: N,
    o: FileTableOptions<S> | TopicTableOptions<S>,
  ): Table<StandardSchemaV1.InferOutput<S>, N>
  /**
   * Declares an online store: rows that a service outside holds. They feed no window, and an
   * event is never a dead letter because of it: late, unavailable or invalid rows are replaced by
   * the fallback. A replay may give other outputs.
   * @param name unique in the topology
   */
  store<S extends StandardSchemaV1, const N extends string>(
    name: N,
    o: StoreOptions<S>,
  ): Store<StandardSchemaV1.InferOutput<S>, N>
}

/**
 * A complete topology as frozen data. `Out` and `In`, which only carry types, are the values by topic,
 * and the source's events before its schema.
 */
export interface Topology<Out, In = unknown> extends Definition {
  /** Never present; it only carries the types. */
  readonly out?: Out
  /** Never present; it only carries the type. */
  readonly in?: In
}

type AnySink = Sink<string, unknown>
type Each<R> = R extends readonly (infer K)[] ? K : R
export type SinkOrSinks = AnySink | readonly AnySink[]
/** `R` if a builder may return it; otherwise a {@link Mistake}. */
export type Returned<R> = R extends SinkOrSinks
  ? R
  : Mistake<'end every stream with .sink(topic), and return the sink, or an array of the sinks'>
export type OutputsOf<R> = {
  [K in Each<R> & AnySink as K['topic']]: K extends Sink<string, infer O> ? O : never
}
export type InputOf<R> = Each<R> extends Sink<string, unknown, infer I> ? I : unknown
/** The values that a topology writes to a topic: `OutputOf<typeof topology, 'predictions'>`. */
export type OutputOf<T, K extends string> =
  T extends Topology<infer O> ? (K extends keyof O ? O[K] : never) : never

/** Checks features `K`: they must be `F` and the carried ones `C`. */
type Exactly<
  K extends string,
  F extends string,
  C extends string,
  Says extends { lacks: string; extra: string },
> = [Exclude<F, K>] extends [never]
  ? [Exclude<K, F | C>] extends [never]
    ? unknown
    : Mistake<`${Says['extra']} '${Exclude<K, F | C>}': leave this feature out, carry it, or train a model with it`>
  : Mistake<`${Says['lacks']} the feature '${Exclude<F, K>}': define it`>
type SameNames<K extends string, F extends readonly string[], C extends string> = Exactly<
  K,
  F[number],
  C,
  { lacks: 'the model needs'; extra: 'the model has no input' }
>
/** The same for models `M` together. A rule that does not name its features may take any. */
type TakenTogether<K extends string, M, C extends string> = Exactly<
  K,
  TakenBy<M>,
  [OpenRule<M>] extends [never] ? C : K,
  { lacks: 'a model needs'; extra: 'no model has the input' }
>
type TakenBy<M> =
  M extends Model<infer F, unknown>
    ? F[number]
    : M extends ModelRule<infer P, string>
      ? string extends keyof P & string
        ? never
        : keyof P & string
      : never
type OpenRule<M> =
  M extends ModelRule<infer P, string> ? (string extends keyof P & string ? string : never) : never

type MissingFeatures<E, Fs> = {
  [K in keyof Fs]: Fs[K] extends Feature<infer N>
    ? unknown extends N
      ? never
      : E extends N
        ? never
        : K
    : never
}[keyof Fs]
/** Checks that every event `E` has all features. */
type AllDefined<E, Fs> = [MissingFeatures<E, Fs>] extends [never]
  ? unknown
  : Mistake<`some kinds of event have no feature '${MissingFeatures<E, Fs> & string}': call .where(isKind) before .score`>

type FoundBy<Fs> = {
  [K in keyof Fs]: Fs[K] extends Feature<never, infer L> ? (unknown extends L ? never : L) : never
}[keyof Fs]
type Looked<L> = [L] extends [never]
  ? unknown
  : {
      /** By look-up; `undefined`: it found no row. */
      readonly lookup: {
        readonly [P in AnyFound<L> as P['name']]: P['row'] | undefined
      }
    } & ([AnyFound<L>['degraded']] extends [never] ? unknown : Degradable)
type AnyFound<L> = Extract<L, Found<string, unknown, boolean>>
/** The state of an event that looks into an online store. */
interface Degradable {
  /** Whether a store has not given its row: late, unavailable, or `onMiss` has failed. */
  readonly degraded: boolean
}

/** The event of `.features`, of type `E`, with its features `K` and the model's outputs `O`. */
export interface Scored<E, K extends string, O> {
  /** The event that `.features` was called on. */
  readonly event: E
  /**
   * The numbers that the model saw, float32; NaN only with `missing: 'nan'`. Features that are
   * carried are not rounded, and may be NaN or infinite.
   */
  readonly features: Readonly<Record<K, number>>
  /**
   * By output of the model: a number, or with `columns` one for each column. A float32 is the
   * shortest decimal that rounds to it; a bool is 0 or 1. Always finite: an event with any other
   * score is a dead letter `SCORE_NOT_FINITE`.
   */
  readonly score: ScoreBy<O>
  /**
   * The model that scored it: `name@version`. If the operator has replaced its file, `+` and the
   * first 8 hex digits of the SHA-256 of that file follow. For a reused score, as its row has it.
   */
  readonly model: string
  /**
   * Why that model: the name of the rule that held, or else of the model; `reuse` if the score is
   * that of a row. If the fallback scored
   * it, `fallback:` and why: `score-failed`, `score-not-finite`, `model-failing`, `model-open`,
   * `model-hung`, `model-ended` or `budget`.
   */
  readonly route: string
}
