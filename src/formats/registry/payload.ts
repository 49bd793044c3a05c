import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { Bound, RowScan } from '../json/bound.ts'
import type { PlainObject } from '../json/plain.ts'

// Confluent's wire format: a zero byte, the schema's id as a 32-bit integer, the value. Before a
// Protobuf value come the indexes that lead to its message's type (Confluent Platform, "Formats,
// Serializers, and Deserializers", Wire format).

/** Bytes before the value. */
export const PREFIX_BYTES = 5
const MAGIC = 0

/** The largest first byte of an id: ids are Java's ints, and registries look for no larger one. */
const LARGEST_FIRST = 0x7f

/** The schema id of a record's value; `null`: the value has none. */
export function schemaIdOf(value: Uint8Array, from: number, to: number): number | null {
  if (to - from < PREFIX_BYTES || value[from] !== MAGIC) return null
  const byte = (index: number) => value[from + index] as number
  if (byte(1) > LARGEST_FIRST) return null
  return (byte(1) << 24) | (byte(2) << 16) | (byte(3) << 8) | byte(4)
}

/** What comes before the values of a schema. */
export function prefixOf(id: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(id, 1)
  return prefix
}

/** A value without a schema id. */
export function noSchemaId(length: number): TidemarkError {
  const what =
    length < PREFIX_BYTES
      ? `the value has ${length} bytes, too few for a schema id`
      : 'the value does not begin with a zero byte and a schema id'
  const hint = "the source's records are expected in the wire format of a schema registry"
  return new TidemarkError('SCHEMA_ID_MISSING', what, { hint })
}

/** Decodes the values that were written with one schema. */
export interface PayloadDecoder {
  /**
   * Decodes a value.
   * @param payload the record's value without the schema's id
   * @returns an object or another value, and the full name of its type; `null`: it has none
   * @throws TidemarkError one that makes the record a dead letter
   */
  readonly decode: (payload: Buffer) => { readonly value: unknown; readonly type: string | null }
  /**
   * Fills columns without creating a value; false: the value has to be decoded. `null`: every value
   * has to be.
   */
  readonly scan: RowScan | null
}

/** What values are scanned into. */
export interface ScanTarget {
  /** What the topology's schema accepts. */
  readonly plain: PlainObject
  /** The schema, bound to the columns. */
  readonly bound: Bound
}

/**
 * Most values that one record may make: fields, items, and the objects and lists that have them. A
 * schema can make any number of them of a few bytes.
 */
export const MOST_VALUES = 2 ** 16

/** Why a record that makes more is not decoded. */
export function tooManyValues(): string {
  return `it has more than ${MOST_VALUES.toLocaleString('en')} values`
}

/** A value that is not as its schema says. @param why without any of the value's content */
export function invalidPayload(why: string, cause?: unknown): TidemarkError {
  return new TidemarkError('PAYLOAD_INVALID', why, { cause })
}

/** The most of a library's message: it may quote the schema. */
const MOST_WORDS = 200

/** A schema whose values cannot be decoded. @param cause what the library threw */
export function unusableSchema(what: string, cause: unknown): TidemarkError {
  const why = messageOf(cause)
  const short = why.length <= MOST_WORDS ? why : `${why.slice(0, MOST_WORDS)}…`
  return new TidemarkError('SCHEMA_UNUSABLE', `${what}: ${short}`, { cause })
}

/** Encodes values with one schema. */
export interface PayloadEncoder {
  /** Full name of the record or message that it writes; `null`: the schema has no name. */
  readonly type: string | null
  /**
   * Encodes a value.
   * @returns what follows the schema's id in a record's value
   * @throws TidemarkError `OUTPUT_INVALID`: the value does not fit the schema
   */
  readonly encode: (value: unknown) => Uint8Array
}
