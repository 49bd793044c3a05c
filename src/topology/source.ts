import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Partitioner } from '../kernel/kafka.ts'
import type { DurationMs } from '../kernel/time.ts'
import type { DeclaredProps } from './schema.ts'

// The source of a topology: its records as an author's functions see them, their formats, and the
// options that it is read with. The room formats/ decodes.

/** A partition of the topic that is really read, to which `--topic` may map the topology's name. */
export interface SourcePartition {
  /** The topic that is really read: `--topic` may have mapped the topology's name to it. */
  readonly topic: string
  /** From 0. */
  readonly partition: number
}

/** A header of a record. Names need not be unique; without a value, it is empty. */
export interface RecordHeader {
  /** Names need not be unique. */
  readonly name: string
  /** Empty if the header has no value. */
  readonly value: Buffer
}

/** The record of an event. Its buffers are valid during the call: copy parts that outlive it. */
export interface SourceRecord extends SourcePartition {
  /** Its position in the partition. */
  readonly offset: number
  /** The record's own Kafka timestamp, ms since the epoch; −1: it has none. */
  readonly timestampMs: number
  /** Never missing: a record without a key is a dead letter `NULL_KEY`. */
  readonly key: Buffer
  /** `null`: it is a tombstone. */
  readonly value: Buffer | null
  /** In their order. */
  readonly headers: readonly RecordHeader[]
  /** The value of the last header of this name, as text; `undefined`: there is none. */
  header(name: string): string | undefined
}

/** A record that is not a tombstone. Its value may have no bytes. */
export interface RecordWithValue extends SourceRecord {
  readonly value: Buffer
}

/** The headers of a trace: W3C Trace Context, https://www.w3.org/TR/trace-context/ */
export const TRACE_HEADERS = ['traceparent', 'tracestate'] as const

const RESERVED = ['tidemark-', 'tidemark.', '__streams.errors.']

/** Whether only Tidemark writes this header: neither an author nor an input may choose it. */
export function isReservedHeader(name: string): boolean {
  return RESERVED.some((prefix) => name.startsWith(prefix))
}

export type SourceFormat =
  | { readonly is: 'json' | 'text' | 'cloudevents' }
  | DecodeFormat
  | RegistrySourceFormat

export interface DecodeFormat {
  readonly is: 'decode'
  readonly decode: (record: RecordWithValue) => unknown
}

/** Records in Confluent's wire format. `typeField`: see {@link RegistryFormatOptions}. */
export interface RegistrySourceFormat {
  readonly is: 'registry'
  readonly typeField: string | null
}

/** A schema that validates decoded values, and the format of the records that hold them. */
export interface Formatted<S extends StandardSchemaV1> {
  /** Validates the decoded values. */
  readonly schema: S
  /** How the values are encoded. */
  readonly format: SourceFormat
}

/** Options of {@link registry}. */
export interface RegistryFormatOptions {
  /**
   * A field to add to each event, which tells apart several types on one topic: in Avro and
   * Protobuf the name with namespace or package, in JSON Schema the `title`. @default none
   */
  readonly typeField?: string
}

/**
 * For the `schema` of a source: its records are in Confluent's wire format, a schema id before an
 * Avro, Protobuf or JSON value. Each value is decoded with the schema that it was written with, and
 * then validated by `schema`. The worker has to be told the registry's address (`--registry`).
 *
 * Values become JavaScript as follows. Avro: a number is a number, also a long, which must be from
 * −2^52 to 2^53 − 2; timestamps are ms, those in microseconds or nanoseconds rounded down; bytes
 * and fixed are a Buffer; a union with null is the value or `null`; in any other union whose
 * members cannot be told apart, a value is `{ [type]: value }`. Protobuf: names are in
 * lowerCamelCase, as in its JSON; 64-bit integers are whole numbers within ±(2^53 − 1); bytes are a
 * Buffer; enums are their names; fields without a value have their default, unless they are
 * `optional`, messages or of a `oneof`.
 */
export function registry<S extends StandardSchemaV1>(
  schema: S,
  o: RegistryFormatOptions = {},
): Formatted<S> {
  const format = { is: 'registry', typeField: o.typeField ?? null } as const
  return { schema, format }
}

const ANY_TEXT: StandardSchemaV1<string> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      typeof value === 'string' ? { value } : { issues: [{ message: 'it is no text' }] },
  },
}

/** Without a schema, the text is the event. */
export function text(): Formatted<StandardSchemaV1<string>>
/**
 * For the `schema` of a source: its values are text in UTF-8, else dead letters `NOT_UTF8`,
 * validated by `schema`, which may make an event of the text.
 */
export function text<S extends StandardSchemaV1>(schema: S): Formatted<S>
export function text(schema: StandardSchemaV1 = ANY_TEXT): Formatted<StandardSchemaV1> {
  return { schema, format: { is: 'text' } }
}

/**
 * A CloudEvent: its attributes (CloudEvents 1.0.2, section 3) under names of TypeScript, `null` if
 * they are not set, and its data of type `D`, validated by the schema.
 */
export interface CloudEvent<D> {
  /** Identifies the event among those of its source; not empty. */
  readonly id: string
  /** Where it happened, a URI reference; not empty. */
  readonly source: string
  /** The kind of event, such as `com.example.payment.made`; not empty. */
  readonly type: string
  /** `time`: when it happened, ms since the epoch; finer parts are cut off. */
  readonly timeMs: number | null
  /** The part of the source that it is about. */
  readonly subject: string | null
  /** `datacontenttype`: the media type of the data. */
  readonly dataContentType: string | null
  /** `dataschema`: URI of a schema that the data adheres to. */
  readonly dataSchema: string | null
  /** All other attributes by name, each as text: `true` and `17` are `'true'` and `'17'`. */
  readonly extensions: Readonly<Record<string, string>>
  /** The data as the schema returns it. */
  readonly data: D
}

type CloudEventSchema<S extends StandardSchemaV1> = StandardSchemaV1<
  CloudEvent<StandardSchemaV1.InferInput<S>>,
  CloudEvent<StandardSchemaV1.InferOutput<S>>
>

/**
 * For the `schema` of a source: its records are CloudEvents 1.0, as the Kafka protocol binding
 * defines them, in structured mode (as JSON) or in binary mode (attributes in headers). The event
 * is a {@link CloudEvent}, and `schema` validates its data.
 *
 * Its media type decides the data: JSON, or where none is set; text for `text/…` and XML; a Buffer
 * for anything else. A record that is not a CloudEvent is a dead letter `PAYLOAD_INVALID`; one
 * whose data does not fit, `SCHEMA_INVALID`.
 */
export function cloudEvents<S extends StandardSchemaV1>(schema: S): Formatted<CloudEventSchema<S>> {
  return { schema: cloudEventSchema(schema), format: { is: 'cloudevents' } }
}

function cloudEventSchema<S extends StandardSchemaV1>(data: S): CloudEventSchema<S> {
  const { jsonSchema } = data['~standard'] as DeclaredProps
  const standard: DeclaredProps = {
    version: 1,
    vendor: 'tidemark',
    validate: (event) => {
      if (typeof event !== 'object' || event === null) return NO_EVENT
      const result = data['~standard'].validate('data' in event ? event.data : undefined)
      return result instanceof Promise
        ? result.then((late) => withData(event, late))
        : withData(event, result)
    },
    ...(jsonSchema && { jsonSchema: { input: (o) => ({ data: jsonSchema.input(o) }) } }),
  }
  // The schema of the data is a property, so that a fingerprint sees its functions.
  return { '~standard': standard, data } as unknown as CloudEventSchema<S>
}

const NO_EVENT = { issues: [{ message: 'it is no CloudEvent' }] }

function withData(event: object, result: StandardSchemaV1.Result<unknown>) {
  if (result.issues === undefined) return { value: { ...event, data: result.value } }
  const issues = result.issues.map(({ message, path = [] }) => ({
    message,
    path: ['data', ...path],
  }))
  return { issues }
}

export type OnLate = 'dead-letter' | 'drop' | 'score'
export type KeyMismatch = 'warn' | 'dead-letter' | 'allow'
export type OnTombstone = 'dead-letter' | 'skip' | ((key: string, record: SourceRecord) => unknown)

/**
 * Options of {@link TopologyBuilder.source}. A function that takes the record too is called for
 * each event, which is slower. A value out of bounds is refused at start: `TOPOLOGY_INVALID`.
 */
export interface SourceOptions<S extends StandardSchemaV1> {
  /**
   * Validates each record's value. Any synchronous Standard Schema (zod, valibot, arktype, …). A
   * value that it rejects is a dead letter `SCHEMA_INVALID`; if it throws or returns a promise,
   * `FUNCTION_THREW`. The schema alone means JSON; for other values: {@link text}, {@link
   * cloudEvents}, {@link registry}.
   */
  schema: S | Formatted<S>
  /**
   * Decodes each record that has a value, instead of a format; `schema`, which then must be a
   * schema alone, validates its result. If it throws, or returns a promise, the record is a
   * dead letter `PAYLOAD_INVALID`. @default values are JSON, or as `schema` says
   */
  decode?: (record: RecordWithValue) => unknown
  /**
   * The key that windows are kept by: a string that is not empty, else the event is a dead letter
   * `KEY_INVALID`. All events of a key must be in one partition: produce records with the same key.
   */
  key: (event: StandardSchemaV1.InferOutput<S>, record: SourceRecord) => string
  /**
   * Event time, whole milliseconds since the epoch. Not a whole number: dead letter `TIME_INVALID`.
   * Before 1980 or not before 2100, as seconds or microseconds would be: `TIME_UNIT`.
   *
   * `record`: the Kafka timestamp of the record; none is `TIME_INVALID`. Then `maxAhead` guards
   * nothing: bound the topic's timestamps instead.
   */
  eventTimeMs: ((event: StandardSchemaV1.InferOutput<S>, record: SourceRecord) => number) | 'record'
  /** Decides which events are late, and which lie in the future. */
  watermark: {
    /**
     * How far the watermark is behind the latest event time of its partition. An event with a time
     * before the watermark is late, except in a tumbling window that is still open. 0 or more.
     */
    lag: DurationMs
    /**
     * Silence of a partition after which its watermark advances with the wall clock. More than 0.
     * @default never
     */
    idleAfter?: DurationMs
    /**
     * How far an event time may be after the Kafka timestamp of its record, else the event is a
     * dead letter `FUTURE`. 0 or more; `none` disables the check. @default 5 min
     */
    maxAhead?: DurationMs | 'none'
  }
  /**
   * The treatment of a late event. `dead-letter`: one dead letter `LATE` · `drop`: it is counted
   * only · `score`: it is scored on the windows as they are, and enters none.
   */
  onLate: OnLate
  /**
   * The treatment of a record without a value. `dead-letter`: `TOMBSTONE` · `skip`: it counts as
   * skipped · a function of the record's key, as text: the schema validates its result, which is
   * the event. If it throws, the record is a dead letter `FUNCTION_THREW`; if its key is not
   * UTF-8, `KEY_INVALID`. @default 'dead-letter'
   */
  onTombstone?:
    | 'dead-letter'
    | 'skip'
    | ((key: string, record: SourceRecord) => StandardSchemaV1.InferInput<S>)
  /**
   * The partitioner of this topic's producers: `murmur2` for Java, kafkajs and Tidemark; `crc32`
   * for librdkafka and clients built on it (Python, Go, .NET), unless configured otherwise;
   * `unknown`: no partition can be told from a key (refused with `keyMismatch: 'dead-letter'`).
   * @default 'murmur2', but a record that is in the wrong partition by this default alone is not
   * reported
   */
  partitioner?: Partitioner | 'unknown'
  /**
   * The treatment of an event that is not in the partition of its key, in a topology with windows:
   * no worker sees all events of such a key.
   *
   * `warn`: logs one warning, once there is proof: a key was seen in two partitions, or the event's
   * key differs from the record's and the `partitioner` that you have set says another partition ·
   * `dead-letter`: the event is a dead letter `KEY_PARTITION`, going by the `partitioner` alone ·
   * `allow`: nothing. @default 'warn'
   */
  keyMismatch?: KeyMismatch
  /**
   * Names of headers that outputs get, as they are, from the record of their event, all of a name
   * in their order; `traceparent` and `tracestate` always. The result of a tumbling window gets
   * none. Refused: names with `tidemark-`, `tidemark.` or `__streams.errors.` in front. @default
   * those two
   */
  passHeaders?: readonly string[]
}
