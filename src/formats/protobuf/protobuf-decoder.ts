import protobuf, { type Field, type Type } from 'protobufjs'
import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { checkedDecode, invalidPayload, type PayloadDecoder, perType } from '../payload.ts'
import { checkKey, cutOff, type PayloadCursor, Refusal, type Walk } from '../payload-cursor.ts'
import { messageName, placedMessages, readMessageIndexes, readProtoFile } from './proto-files.ts'

const CONVERSION = { defaults: true, arrays: true, objects: true, enums: String } as const

/** @throws Error the fault of the schema, such as an import without a reference */
export function protobufDecoder({ id, text, references }: RegisteredSchema): PayloadDecoder {
  const messages = placedMessages(readProtoFile(text, references))
  const types = new Map(messages.map(({ type, indexes }) => [indexes.join(), type]))
  const decodeOf = perType((type: Type) => messageDecode(type, id))
  return {
    scan: null,
    decode: (payload) => {
      const at = readMessageIndexes(payload)
      const type = at === null ? undefined : types.get(at.indexes.join())
      if (at === null || type === undefined) {
        throw invalidPayload(`the value names no message of Protobuf schema ${id}`)
      }
      return decodeOf(type)(payload.subarray(at.start))
    },
  }
}

function messageDecode(type: Type, id: number): PayloadDecoder['decode'] {
  const name = messageName(type)
  return checkedDecode(`${name} of Protobuf schema ${id}`, walkOf(type), (payload) => ({
    value: plain(type.toObject(type.decode(payload), CONVERSION)),
    type: name,
  }))
}

/**
 * Replaces 64-bit numbers of the library's own kind, and drops missing messages.
 * @throws TidemarkError `PAYLOAD_INVALID`: a number is beyond ±(2^53 − 1)
 */
function plain(value: unknown): unknown {
  if (value instanceof protobuf.util.Long) {
    const number = (value as unknown as { toNumber(): number }).toNumber()
    if (Number.isSafeInteger(number)) return number
    throw invalidPayload('a 64-bit number is beyond ±(2^53 − 1)')
  }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  const fields: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) if (field !== null) fields[name] = plain(field)
  return fields
}

// Checks a Protobuf message before protobufjs decodes it: two bytes make a message with all of its
// fields. https://protobuf.dev/programming-guides/encoding/

const WIRE = { varint: 0, fixed64: 1, bytes: 2, group: 3, endOfGroup: 4, fixed32: 5 } as const

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
  readonly message: Known | null
}

function walkOf(type: Type): Walk {
  const message = knownOf(type, new Map())
  return (cursor) => walkMessage(cursor, message, { end: cursor.to })
}

/** @param group number of the group whose end also ends the message */
function walkMessage(
  cursor: PayloadCursor,
  { values, fields }: Known,
  { end, group }: { readonly end: number; readonly group?: number },
): void {
  cursor.enter()
  cursor.count(values)
  while (cursor.at < end) {
    const tag = cursor.varint(end)
    const [id, wire] = [Math.floor(tag / 8), tag % 8]
    if (wire === WIRE.endOfGroup && id === group) return cursor.leave()
    walkField(cursor, fields.get(id) ?? UNKNOWN, { id, wire, end })
  }
  if (group !== undefined) throw cutOff()
  cursor.leave()
}

function walkField(
  cursor: PayloadCursor,
  field: KnownField,
  { id, wire, end }: { readonly id: number; readonly wire: number; readonly end: number },
): void {
  if (field.isRepeated) cursor.count(1)
  if (wire === WIRE.varint) cursor.varint(end)
  else if (wire === WIRE.fixed64) cursor.skip(8, end)
  else if (wire === WIRE.fixed32) cursor.skip(4, end)
  else if (wire === WIRE.group) walkMessage(cursor, field.message ?? NO_MESSAGE, { end, group: id })
  else if (wire === WIRE.bytes) walkBytes(cursor, field, end)
  else throw new Refusal(`a field has the wire type ${wire}`)
}

function walkBytes(cursor: PayloadCursor, field: KnownField, end: number): void {
  const length = cursor.varint(end)
  const from = cursor.at
  if (field.message !== null) {
    if (from + length > end) throw cutOff()
    return walkMessage(cursor, field.message, { end: from + length })
  }
  if (field.isText) {
    const text = cursor.text(length, end)
    if (field.isKey) checkKey(text)
    return
  }
  cursor.skip(length, end)
  if (!field.isRepeated || field.packedBytes === null) return
  const { packedBytes } = field
  const bytes = cursor.bytes.subarray(from, cursor.at)
  cursor.count(packedBytes === 0 ? varintsIn(bytes) : length / packedBytes)
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

/** A type may contain itself: then it is found in `all`, and gets its fields later. */
function knownOf(type: Type, all: Map<Type, Known>): Known {
  const message = all.get(type)
  if (message !== undefined) return message
  const fields = new Map<number, KnownField>()
  const made = { values: 1 + type.fieldsArray.length, fields }
  all.set(type, made)
  for (const field of type.fieldsArray) fields.set(field.id, fieldOf(field, all))
  return made
}

function fieldOf(field: Field, all: Map<Type, Known>): KnownField {
  const { type, resolvedType } = field
  const message = resolvedType instanceof protobuf.Type ? knownOf(resolvedType, all) : null
  const value = {
    ...{ message, isRepeated: field.repeated, isText: type === 'string', isKey: false },
    packedBytes: message === null ? packedBytesOf(type) : null,
  }
  if (!(field instanceof protobuf.MapField)) return value
  const isText = field.keyType === 'string'
  const key = { ...UNKNOWN, isText, isKey: isText }
  const fields = new Map([
    [1, key],
    [2, value],
  ])
  return { ...UNKNOWN, message: { values: 1, fields } }
}

function packedBytesOf(type: string): number | null {
  if (type === 'string' || type === 'bytes') return null
  if (type === 'double' || type.endsWith('fixed64')) return 8
  return type === 'float' || type.endsWith('fixed32') ? 4 : 0
}
