import { isUtf8 } from 'node:buffer'
import type { Type, types } from 'avsc'
import { LIMITS } from '../json/parse-json.ts'
import { MOST_VALUES, tooManyValues } from '../registry/payload.ts'
import { unitsPerMs } from './avro-type.ts'

// Checks an Avro value before avsc decodes it. avsc believes the counts that it reads: five bytes
// could make it allocate an array of two billion, and a schema can make gigabytes of no bytes at
// all. It also reads a long below −2^52 as another number, a text that is not UTF-8 as another
// text, an int of more than 32 bits, and any byte as a boolean.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

/** Bytes of a varint for a long. */
const LONGEST_VARINT = 10
const PROTO = Buffer.from('__proto__')

const CUT_OFF = 'it is cut off'
const NO_NUMBER = 'a long is below −2^52 or above 2^53 − 2, which no number holds exactly'

/** The place in a value, and the rest of its limits. */
export class Cursor {
  bytes: Uint8Array = Buffer.alloc(0)
  at = 0
  to = 0
  valuesLeft = 0
  levelsLeft = 0
  /** The reason, after a false {@link Skip}. */
  why = ''

  begin(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes
    this.at = from
    this.to = to
    this.valuesLeft = MOST_VALUES
    this.levelsLeft = LIMITS.depth
  }
}

/** Moves behind a value; false: it cannot be decoded. */
export type Skip = (cursor: Cursor) => boolean

/** Makes a function that says why a value cannot be decoded; `null`: it can. */
export function avroCheck(type: Type): (value: Uint8Array) => string | null {
  const skip = skipOf(type)
  const cursor = new Cursor()
  return (value) => {
    cursor.begin(value, 0, value.length)
    if (!skip(cursor)) return cursor.why
    const more = value.length - cursor.at
    return more === 0 ? null : `${more} bytes follow it`
  }
}

export function skipOf(type: Type, known = new Map<Type, Skip>()): Skip {
  const skip = known.get(type)
  if (skip !== undefined) return skip
  // A type may contain itself.
  let made: Skip = () => false
  known.set(type, (cursor) => made(cursor))
  const inner = newSkip(type, known)
  made = (cursor) => {
    if (--cursor.valuesLeft < 0) return refused(cursor, tooManyValues())
    return inner(cursor)
  }
  return made
}

function newSkip(type: Type, known: Map<Type, Skip>): Skip {
  if (unitsPerMs(type) !== null) return (cursor) => readLong(cursor) !== null
  switch (type.typeName) {
    case 'null':
      return () => true
    case 'boolean':
      return skipBoolean
    case 'int':
      return skipInt
    case 'long':
      return skipLong
    case 'enum': {
      const { length } = (type as types.EnumType).symbols
      return (cursor) => readIndex(cursor, length) !== null
    }
    case 'float':
      return (cursor) => pass(cursor, 4)
    case 'double':
      return (cursor) => pass(cursor, 8)
    case 'fixed':
      return (cursor) => pass(cursor, (type as types.FixedType).size)
    case 'string':
      return skipText
    case 'bytes':
      return skipBytes
    case 'array':
      return nested(blocks(skipOf((type as types.ArrayType).itemsType, known)))
    case 'map': {
      const value = skipOf((type as types.MapType).valuesType, known)
      return nested(blocks((cursor) => skipKey(cursor) && value(cursor)))
    }
    case 'union:wrapped':
    case 'union:unwrapped': {
      const members = (type as types.WrappedUnionType).types.map((member) => skipOf(member, known))
      return (cursor) => {
        const index = readIndex(cursor, members.length)
        return index !== null && (members[index] as Skip)(cursor)
      }
    }
    case 'record':
    case 'error': {
      const fields = (type as types.RecordType).fields.map((field) => skipOf(field.type, known))
      return nested((cursor) => {
        for (const field of fields) if (!field(cursor)) return false
        return true
      })
    }
    default:
      return (cursor) => refused(cursor, `it has a value of the type ${type.typeName}`)
  }
}

function refused(cursor: Cursor, why: string): false {
  cursor.why = why
  return false
}

function nested(skip: Skip): Skip {
  return (cursor) => {
    if (cursor.levelsLeft === 0) {
      return refused(cursor, `it is nested deeper than ${LIMITS.depth} levels`)
    }
    cursor.levelsLeft--
    const isWhole = skip(cursor)
    cursor.levelsLeft++
    return isWhole
  }
}

/** Skips blocks of items. A negative number of items is followed by the size of the block. */
function blocks(item: Skip): Skip {
  return (cursor) => {
    for (;;) {
      const count = readLong(cursor)
      if (count === null) return false
      if (count === 0) return true
      if (count < 0 && readLong(cursor) === null) return false
      if (Math.abs(count) > cursor.valuesLeft) return refused(cursor, tooManyValues())
      for (let left = Math.abs(count); left > 0; left--) if (!item(cursor)) return false
    }
  }
}

function skipBoolean(cursor: Cursor): boolean {
  const byte = cursor.bytes[cursor.at]
  if (!pass(cursor, 1)) return false
  return (byte as number) <= 1 || refused(cursor, 'a boolean is neither 0 nor 1')
}

function skipInt(cursor: Cursor): boolean {
  const number = readLong(cursor)
  if (number === null) return false
  return (number | 0) === number || refused(cursor, 'an int has more than 32 bits')
}

/** The varint of a negative number is odd; if a float64 has made it even, it is inexact. */
function skipLong(cursor: Cursor): boolean {
  const first = cursor.bytes[cursor.at] as number
  const number = readLong(cursor)
  if (number === null) return false
  const isExact = number < 0 ? number >= -(2 ** 52) : (first & 1) === 0 && number <= 2 ** 53 - 2
  return isExact || refused(cursor, NO_NUMBER)
}

function skipBytes(cursor: Cursor): boolean {
  const length = readLong(cursor)
  if (length === null) return false
  return length >= 0 ? pass(cursor, length) : refused(cursor, CUT_OFF)
}

function skipText(cursor: Cursor): boolean {
  return textIn(cursor) !== null
}

function skipKey(cursor: Cursor): boolean {
  const key = textIn(cursor)
  if (key === null) return false
  return !PROTO.equals(key) || refused(cursor, 'a map has the key __proto__')
}

function textIn(cursor: Cursor): Uint8Array | null {
  const length = readLong(cursor)
  if (length === null) return null
  const from = cursor.at
  if (length < 0 || !pass(cursor, length)) {
    refused(cursor, CUT_OFF)
    return null
  }
  const text = cursor.bytes.subarray(from, cursor.at)
  if (isUtf8(text)) return text
  refused(cursor, 'a text is not UTF-8')
  return null
}

function pass(cursor: Cursor, bytes: number): boolean {
  cursor.at += bytes
  return cursor.at <= cursor.to || refused(cursor, CUT_OFF)
}

function readIndex(cursor: Cursor, length: number): number | null {
  const index = readLong(cursor)
  if (index === null || (index >= 0 && index < length)) return index
  refused(cursor, `an index of ${length} symbols or types is ${index}`)
  return null
}

/** Reads a zigzag varint, beyond 2^53 inexactly; `null`: it is cut off. */
function readLong(cursor: Cursor): number | null {
  let [value, unit] = [0, 1]
  for (let i = 0; i < LONGEST_VARINT; i++) {
    if (cursor.at >= cursor.to) break
    const byte = cursor.bytes[cursor.at++] as number
    value += (byte & 0x7f) * unit
    unit *= 128
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  refused(cursor, CUT_OFF)
  return null
}
