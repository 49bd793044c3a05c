import { configFault, TidemarkError } from '../kernel/errors.ts'
import type { WholeSchema } from '../registry/schema-registry.ts'
import type { Bound, RowScan } from './json/bound.ts'
import type { PlainObject } from './json/plain.ts'
import { PayloadCursor, refusalOf, type Walk } from './payload-cursor.ts'

// Confluent's wire format: a zero byte, the id of the schema as a 32-bit integer, the payload.

export const PREFIX_BYTES = 5
const MAGIC = 0

/** Ids are ints of Java, and registries look for no larger one. */
const LARGEST_FIRST = 0x7f

/** The schema id of a value; `null`: it has none. */
export function schemaIdOf(value: Uint8Array, from: number, to: number): number | null {
  if (to - from < PREFIX_BYTES || value[from] !== MAGIC) return null
  const byte = (index: number) => value[from + index] as number
  if (byte(1) > LARGEST_FIRST) return null
  return (byte(1) << 24) | (byte(2) << 16) | (byte(3) << 8) | byte(4)
}

export function prefixOf(id: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(id, 1)
  return prefix
}

export function noSchemaId(length: number): TidemarkError {
  const message =
    length < PREFIX_BYTES
      ? `the value has ${length} bytes, too few for a schema id`
      : 'the value does not begin with a zero byte and a schema id'
  const hint = "the source's records are expected in the wire format of a schema registry"
  return new TidemarkError('SCHEMA_ID_MISSING', message, { hint })
}

export function noRegistry(subject: string): TidemarkError {
  const hint = 'give its address: --registry http://host:port'
  return configFault(`${subject} in a schema registry, and none is given`, undefined, hint)
}

/** UTF-16 units of a schema and all that it refers to: libraries read them at once. */
const LARGEST_SCHEMA = 256 * 1024

/** @throws Error the schema is too large */
export function checkSize({ text, references }: Omit<WholeSchema, 'type'>): void {
  const size = references.reduce((sum, reference) => sum + reference.text.length, text.length)
  if (size <= LARGEST_SCHEMA) return
  throw new Error(`with its references it has ${size} characters, the maximum is ${LARGEST_SCHEMA}`)
}

export interface PayloadDecoder {
  /**
   * Decodes a value without its schema id. The full name of its type is `null` if it has none.
   * @throws TidemarkError one that makes the record a dead letter
   */
  readonly decode: (payload: Buffer) => { readonly value: unknown; readonly type: string | null }
  /** `null`: every value must be decoded. */
  readonly scan: RowScan | null
}

export interface ScanTarget {
  readonly plain: PlainObject
  readonly bound: Bound
}

/** @param why without content of the value */
export function invalidPayload(why: string, cause?: unknown): TidemarkError {
  return new TidemarkError('PAYLOAD_INVALID', why, { cause })
}

export interface PayloadEncoder {
  /** Full name of its record or message; `null`: it has none. */
  readonly type: string | null
  /** Encodes a value, without the schema id. @throws TidemarkError `OUTPUT_INVALID` */
  readonly encode: (value: unknown) => Uint8Array
}

/** Makes a function for each type, once. A type may contain itself. */
export function perType<T, A, R>(
  make: (type: T, functionOf: (type: T) => (value: A) => R) => (value: A) => R,
): (type: T) => (value: A) => R {
  const functions = new Map<T, (value: A) => R>()
  const functionOf = (type: T): ((value: A) => R) => {
    const before = functions.get(type)
    if (before !== undefined) return before
    functions.set(type, (value) => functionOf(type)(value))
    const made = make(type, functionOf)
    functions.set(type, made)
    return made
  }
  return functionOf
}

/** Makes a decoder that walks over a value first. @param schema its name, for messages */
export function checkedDecode(
  schema: string,
  walk: Walk,
  decode: PayloadDecoder['decode'],
): PayloadDecoder['decode'] {
  const cursor = new PayloadCursor()
  return (payload) => {
    cursor.begin(payload, 0, payload.length)
    const why = refusalOf(walk, cursor)
    if (why !== null) throw invalidPayload(`the value does not match ${schema}: ${why}`)
    try {
      return decode(payload)
    } catch (thrown) {
      if (thrown instanceof TidemarkError) throw thrown
      throw invalidPayload(`the value does not match ${schema}`, thrown)
    }
  }
}
