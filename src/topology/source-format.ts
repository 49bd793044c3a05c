import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { RecordWithValue } from './source-record.ts'

// How a source's records hold their events. Types and data only: what decodes them is in formats/.

/** The format of a source's records. */
export type SourceFormat =
  | { readonly is: 'json' | 'text' | 'cloudevents' }
  | DecodeFormat
  | RegistryFormat

/** Records that a function of the author's decodes. */
export interface DecodeFormat {
  readonly is: 'decode'
  readonly decode: (record: RecordWithValue) => unknown
}

/** Records in Confluent's wire format, whose schemas are in a schema registry. */
export interface RegistryFormat {
  readonly is: 'registry'
  /** Field of the event that gets the full name of the value's type; `null`: none. */
  readonly typeField: string | null
}

/** A schema, and the format of the records that hold its values. */
export interface Formatted<S extends StandardSchemaV1> {
  /** Validates the decoded values. */
  readonly schema: S
  /** How the values are encoded. */
  readonly format: SourceFormat
}

/** Options of {@link registry}. */
export interface RegistryFormatOptions {
  /**
   * A field to add to each event: the full name of the type of its value, which tells apart several
   * types of event on one topic. In Avro and Protobuf it is the name with its namespace or package,
   * in JSON Schema the `title`.
   *
   * @default none
   */
  readonly typeField?: string
}

/**
 * For the `schema` of a source: its records are in Confluent's wire format, a schema id before an
 * Avro, Protobuf or JSON value. Each value is decoded with the schema that it was written with, and
 * then validated by `schema`. The worker has to be told the registry's address (`--registry`).
 *
 * Values become JavaScript as follows. Avro: a number is a number, also a long, which must be from
 * −2^52 to 2^53 − 2; timestamps are ms, those in microseconds or nanoseconds rounded down; bytes and
 * fixed are a Buffer; a union with null is the value or `null`; in
 * any other union of which the members cannot be told apart, a value is `{ [type]: value }`.
 * Protobuf: names are in lowerCamelCase, as in Protobuf's JSON; enums are their names; fields
 * without a value have their default, unless they are `optional`, messages or of a `oneof`.
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

/**
 * For the `schema` of a source: its values are text in UTF-8, and the text is the event. A value
 * that is not UTF-8 is a dead letter `NOT_UTF8`.
 */
export function text(): Formatted<StandardSchemaV1<string>>
/**
 * For the `schema` of a source: its values are text in UTF-8, validated by `schema`, which may make
 * an event of the text. A value that is not UTF-8 is a dead letter `NOT_UTF8`.
 */
export function text<S extends StandardSchemaV1>(schema: S): Formatted<S>
export function text(schema: StandardSchemaV1 = ANY_TEXT): Formatted<StandardSchemaV1> {
  return { schema, format: { is: 'text' } }
}
