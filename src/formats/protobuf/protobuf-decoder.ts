import { isUtf8 } from 'node:buffer'
import protobuf, { type Field, type Type } from 'protobufjs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { LIMITS } from '../json/parse-json.ts'
import {
  invalidPayload,
  MOST_VALUES,
  type PayloadDecoder,
  tooManyValues,
  unusableSchema,
} from '../registry/payload.ts'
import { messageName, messagesIn, readMessageIndexes, readProtoFile } from './proto-files.ts'

const CONVERSION = { defaults: true, arrays: true, objects: true, enums: String } as const

/**
 * @throws TidemarkError `SCHEMA_UNUSABLE`: it is no schema, or imports a file without a reference
 */
export function protobufDecoder(schema: RegisteredSchema): PayloadDecoder {
  const { id } = schema
  const messages = messagesOf(schema)
  const known = new Map<string, Checked | null>()
  const typeAt = (indexes: readonly number[]): Checked | null => {
    const path = indexes.join()
    const found = known.get(path)
    if (found !== undefined) return found
    const type = messageAt(messages, indexes)
    const checked = type === null ? null : { type, check: protobufCheck(type) }
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
      const name = messageName(type)
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
function messagesOf({ id, text, references }: RegisteredSchema): readonly Type[] {
  try {
    return readProtoFile(text, references)
  } catch (thrown) {
    throw unusableSchema(`Protobuf schema ${id} cannot be used`, thrown)
  }
}

function messageAt(
  messages: readonly Type[],
  [first = 0, ...nested]: readonly number[],
): Type | null {
  let type: Type | null = messages[first] ?? null
  for (const index of nested) type = type === null ? null : (messagesIn(type)[index] ?? null)
  return type
}

/**
 * Replaces 64-bit numbers of the library's own kind, and drops missing messages.
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

interface LongNumber {
  toNumber(): number
}

function numberOf(long: LongNumber): number {
  const number = long.toNumber()
  if (Number.isSafeInteger(number)) return number
  throw invalidPayload('a 64-bit number is beyond ±(2^53 − 1)')
}

// Checks a Protobuf message before protobufjs decodes it. Two bytes make a message with all of its
// fields, so a schema can make gigabytes of one record; a text that is not UTF-8 would become
// another text, and the key __proto__ of a map the prototype of the object.
// https://protobuf.dev/programming-guides/encoding/

const WIRE = { varint: 0, fixed64: 1, bytes: 2, group: 3, endOfGroup: 4, fixed32: 5 } as const
const CUT_OFF = 'it is cut off'
const PROTO = Buffer.from('__proto__')

interface Known {
  /** Values of a message without fields: itself, and each default. */
  readonly values: number
  readonly fields: ReadonlyMap<number, KnownField>
}

interface KnownField {
  readonly isRepeated: boolean
  readonly isText: boolean
  readonly isKey: boolean
  /** Bytes of a packed item; 0: a varint; `null`: the field is never packed. */
  readonly packedBytes: number | null
  /** Made when it is first met, because a type may contain itself. */
  readonly message: (() => Known) | null
}

class Refusal extends Error {}

/** Makes a function that says why a message cannot be decoded; `null`: it can. */
function protobufCheck(type: Type): (payload: Uint8Array) => string | null {
  const known = knownOf(type, new Map())
  return (payload) => {
    try {
      new Walk(payload).message(known, payload.length)
      return null
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown.message
      throw thrown
    }
  }
}

class Walk {
  readonly #bytes: Uint8Array
  #at = 0
  #valuesLeft = MOST_VALUES
  #levelsLeft = LIMITS.depth

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** @param group number of the group whose end also ends the message */
  message({ values, fields }: Known, end: number, group: number | null = null): void {
    if (--this.#levelsLeft < 0) throw new Refusal(`it is nested deeper than ${LIMITS.depth} levels`)
    this.#count(values)
    while (this.#at < end) {
      const tag = this.#varint(end)
      const [id, wire] = [Math.floor(tag / 8), tag % 8]
      if (wire === WIRE.endOfGroup && id === group) {
        this.#levelsLeft++
        return
      }
      this.#value(fields.get(id) ?? UNKNOWN, { id, wire, end })
    }
    if (group !== null || this.#at > end) throw new Refusal(CUT_OFF)
    this.#levelsLeft++
  }

  #value(field: KnownField, { id, wire, end }: { id: number; wire: number; end: number }): void {
    if (field.isRepeated) this.#count(1)
    if (wire === WIRE.varint) this.#varint(end)
    else if (wire === WIRE.fixed64) this.#at += 8
    else if (wire === WIRE.fixed32) this.#at += 4
    else if (wire === WIRE.group) this.message(field.message?.() ?? NO_MESSAGE, end, id)
    else if (wire === WIRE.bytes) this.#delimited(field, this.#varint(end), end)
    else throw new Refusal(`a field has the wire type ${wire}`)
    if (this.#at > end) throw new Refusal(CUT_OFF)
  }

  #delimited(field: KnownField, length: number, end: number): void {
    const to = this.#at + length
    if (to > end) throw new Refusal(CUT_OFF)
    const bytes = this.#bytes.subarray(this.#at, to)
    if (field.message !== null) return this.message(field.message(), to)
    if (field.isText && !isUtf8(bytes)) throw new Refusal('a text is not UTF-8')
    if (field.isKey && PROTO.equals(bytes)) throw new Refusal('a map has the key __proto__')
    if (field.isRepeated && field.packedBytes !== null) {
      this.#count(field.packedBytes === 0 ? varintsIn(bytes) : length / field.packedBytes)
    }
    this.#at = to
  }

  #count(values: number): void {
    this.#valuesLeft -= values
    if (this.#valuesLeft < 0) throw new Refusal(tooManyValues())
  }

  /** Reads a varint, beyond 2^53 inexactly. */
  #varint(end: number): number {
    let [value, unit] = [0, 1]
    while (this.#at < end && unit < 2 ** 70) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
      unit *= 128
    }
    throw new Refusal(CUT_OFF)
  }
}

const UNKNOWN: KnownField = {
  isRepeated: false,
  isText: false,
  isKey: false,
  packedBytes: null,
  message: null,
}
const NO_MESSAGE: Known = { values: 0, fields: new Map() }

function varintsIn(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte < 0x80) count++
  return count
}

function knownOf(type: Type, all: Map<Type, Known>): Known {
  const known = all.get(type)
  if (known !== undefined) return known
  const fields = new Map<number, KnownField>()
  const made = { values: 1 + type.fieldsArray.length, fields }
  all.set(type, made)
  for (const field of type.fieldsArray) fields.set(field.id, fieldOf(field, all))
  return made
}

function fieldOf(field: Field, all: Map<Type, Known>): KnownField {
  const { type, resolvedType } = field
  const message = resolvedType instanceof protobuf.Type ? () => knownOf(resolvedType, all) : null
  const value = {
    ...{ message, isRepeated: field.repeated, isText: type === 'string', isKey: false },
    packedBytes: message === null ? packedBytesOf(type) : null,
  }
  if (!(field instanceof protobuf.MapField)) return value
  const isText = field.keyType === 'string'
  const entry = {
    values: 1,
    fields: new Map([
      [1, { ...UNKNOWN, isText, isKey: isText }],
      [2, value],
    ]),
  }
  return { ...UNKNOWN, message: () => entry }
}

function packedBytesOf(type: string): number | null {
  if (type === 'string' || type === 'bytes') return null
  if (type === 'double' || type.endsWith('fixed64')) return 8
  return type === 'float' || type.endsWith('fixed32') ? 4 : 0
}
