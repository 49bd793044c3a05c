import protobuf, { type Type } from 'protobufjs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { invalidPayload, type PayloadDecoder, unusableSchema } from '../registry/payload-decoder.ts'
import { readMessageIndexes } from '../registry/wire-format.ts'
import { checkOf } from './bounded.ts'
import { messagesIn, type ProtoFile, readProtoFile } from './proto-files.ts'

/** How a message becomes an object. */
const CONVERSION = { defaults: true, arrays: true, objects: true, enums: String } as const

/**
 * Decodes values of a Protobuf schema, each of the message type that its indexes lead to.
 * @throws TidemarkError `SCHEMA_UNUSABLE`: it is not a schema, or imports what it has no reference
 * to
 */
export function protobufDecoder(schema: RegisteredSchema): PayloadDecoder {
  const { id } = schema
  const file = fileOf(schema)
  const known = new Map<string, Checked | null>()
  const typeAt = (indexes: readonly number[]): Checked | null => {
    const path = indexes.join()
    const found = known.get(path)
    if (found !== undefined) return found
    const type = messageAt(file, indexes)
    const checked = type === null ? null : { type, check: checkOf(type) }
    known.set(path, checked)
    return checked
  }
  return {
    scan: null,
    decode: (payload) => {
      const at = readMessageIndexes(payload)
      const found = at === null ? null : typeAt(at.indexes)
      if (at === null || found === null) {
        throw invalidPayload(`the value names no message of Protobuf schema ${id}`)
      }
      const { type, check } = found
      const name = type.fullName.replace(/^\./, '')
      const bytes = payload.subarray(at.start)
      const why = check(bytes)
      if (why !== null) {
        throw invalidPayload(`the value does not match ${name} of Protobuf schema ${id}: ${why}`)
      }
      try {
        const message = type.decode(bytes)
        return { value: plain(type.toObject(message, CONVERSION)), type: name }
      } catch (thrown) {
        if (thrown instanceof TidemarkError) throw thrown
        throw invalidPayload(`the value does not match ${name} of Protobuf schema ${id}`, thrown)
      }
    },
  }
}

interface Checked {
  readonly type: Type
  readonly check: (payload: Uint8Array) => string | null
}

/** @throws TidemarkError `SCHEMA_UNUSABLE` */
function fileOf({ id, text, references }: RegisteredSchema): ProtoFile {
  try {
    return readProtoFile(text, references)
  } catch (thrown) {
    throw unusableSchema(`Protobuf schema ${id} cannot be used`, thrown)
  }
}

function messageAt(
  { messages }: ProtoFile,
  [first = 0, ...nested]: readonly number[],
): Type | null {
  let type: Type | null = messages[first] ?? null
  for (const index of nested) type = type === null ? null : (messagesIn(type)[index] ?? null)
  return type
}

/**
 * The object without 64-bit numbers of the library's own kind, and without messages that are
 * missing.
 * @throws TidemarkError `PAYLOAD_INVALID`: a number is beyond ±(2^53 − 1)
 */
function plain(value: unknown): unknown {
  if (value instanceof protobuf.util.Long) return numberOf(value as unknown as LongNumber)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  const fields: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) if (field !== null) fields[name] = plain(field)
  return fields
}

/** The library's kind of 64-bit number. */
interface LongNumber {
  toNumber(): number
}

function numberOf(long: LongNumber): number {
  const number = long.toNumber()
  if (Number.isSafeInteger(number)) return number
  throw invalidPayload('a 64-bit number is beyond ±(2^53 − 1)')
}
