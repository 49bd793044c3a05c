import { isUtf8 } from 'node:buffer'
import protobuf, { type Field, type Type } from 'protobufjs'
import { LIMITS } from '../json/limits.ts'
import { MOST_VALUES, tooManyValues } from '../registry/payload-decoder.ts'

// Checks a Protobuf message before protobufjs decodes it. Two bytes make a message with all of its
// fields, so that a schema can make gigabytes of one record; a text that is not UTF-8 would become
// another text, and the key __proto__ of a map the prototype of the object.
// https://protobuf.dev/programming-guides/encoding/

const WIRE = { varint: 0, fixed64: 1, bytes: 2, group: 3, endOfGroup: 4, fixed32: 5 } as const
const CUT_OFF = 'it is cut off'
const PROTO = Buffer.from('__proto__')

/** The fields of a type of message. */
interface Known {
  /** Values that the message makes even if no field is there: itself, and each field. */
  readonly values: number
  readonly fields: ReadonlyMap<number, KnownField>
}

interface KnownField {
  readonly isRepeated: boolean
  readonly isText: boolean
  readonly isKey: boolean
  /** Bytes of an item if the field may be packed; 0: a varint; `null`: it cannot be. */
  readonly packedBytes: number | null
  /** The type of a field that is a message; made when it is first met, because it may contain itself. */
  readonly message: (() => Known) | null
}

/** Why a message cannot be decoded, without any of its content. */
class Refusal extends Error {}

/** Makes a function that says why a message cannot be decoded; `null`: it can. */
export function checkOf(type: Type): (payload: Uint8Array) => string | null {
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

  /** @param group number of the group whose end also ends it */
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
