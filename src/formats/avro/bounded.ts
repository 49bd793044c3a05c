import type { Type, types } from 'avsc'
import { LIMITS } from '../json/limits.ts'

// Checks that an Avro value is as long as it says before avsc decodes it. avsc believes the counts
// that it reads: five bytes could make it allocate an array of two billion. And it reads a long
// below −2^52 as another number.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

/** Where a value is checked. */
interface Cursor {
  readonly bytes: Uint8Array
  at: number
  readonly to: number
  /** Items of arrays and maps that may still come. */
  itemsLeft: number
  levelsLeft: number
}

/** Moves behind a value; false: it is cut off or too large. */
type Skip = (cursor: Cursor) => boolean

/** Items may be empty, as null is, so that their number is not bounded by the bytes. */
const MOST_EMPTY_ITEMS = 1_000
/** Bytes of the longest varint: a long. */
const LONGEST_VARINT = 10

/**
 * Returns the index behind a value; −1: it is cut off, nested too deep, or has a long too small.
 */
export type Skipper = (bytes: Uint8Array, from: number, to: number) => number

/** Makes a function that skips values of a type. */
export function skipperOf(type: Type): Skipper {
  const skip = skipOf(type, new Map())
  return (bytes, at, to) => {
    const itemsLeft = to - at + MOST_EMPTY_ITEMS
    const cursor = { bytes, at, to, itemsLeft, levelsLeft: LIMITS.depth }
    return skip(cursor) ? cursor.at : -1
  }
}

function skipOf(type: Type, known: Map<Type, Skip>): Skip {
  const skip = known.get(type)
  if (skip !== undefined) return skip
  // A type may contain itself.
  let made: Skip = () => false
  known.set(type, (cursor) => made(cursor))
  made = newSkip(type, known)
  return made
}

function newSkip(type: Type, known: Map<Type, Skip>): Skip {
  switch (type.typeName) {
    case 'null':
      return () => true
    case 'boolean':
      return (cursor) => pass(cursor, 1)
    case 'int':
      return (cursor) => readLong(cursor) !== null
    case 'long':
      return skipLong
    case 'enum': {
      const { length } = (type as types.EnumType).symbols
      return (cursor) => isIndex(readLong(cursor), length)
    }
    case 'float':
      return (cursor) => pass(cursor, 4)
    case 'double':
      return (cursor) => pass(cursor, 8)
    case 'fixed':
      return (cursor) => pass(cursor, (type as types.FixedType).size)
    case 'string':
    case 'bytes':
      return skipBytes
    case 'array':
      return nested(blocks(skipOf((type as types.ArrayType).itemsType, known)))
    case 'map': {
      const value = skipOf((type as types.MapType).valuesType, known)
      return nested(blocks((cursor) => skipBytes(cursor) && value(cursor)))
    }
    case 'union:wrapped':
    case 'union:unwrapped': {
      const members = (type as types.WrappedUnionType).types.map((member) => skipOf(member, known))
      return (cursor) => members[readLong(cursor) ?? -1]?.(cursor) ?? false
    }
    case 'record':
    case 'error': {
      const fields = (type as types.RecordType).fields.map((field) => skipOf(field.type, known))
      return nested((cursor) => fields.every((field) => field(cursor)))
    }
    default:
      return () => false
  }
}

function nested(skip: Skip): Skip {
  return (cursor) => {
    if (cursor.levelsLeft === 0) return false
    cursor.levelsLeft--
    const isWhole = skip(cursor)
    cursor.levelsLeft++
    return isWhole
  }
}

/** Blocks of items, each with their number; if it is negative, the block's size follows. */
function blocks(item: Skip): Skip {
  return (cursor) => {
    for (;;) {
      const count = readLong(cursor)
      if (count === null) return false
      if (count === 0) return true
      if (count < 0 && readLong(cursor) === null) return false
      cursor.itemsLeft -= Math.abs(count)
      if (cursor.itemsLeft < 0) return false
      for (let left = Math.abs(count); left > 0; left--) if (!item(cursor)) return false
    }
  }
}

function skipBytes(cursor: Cursor): boolean {
  const length = readLong(cursor)
  return length !== null && length >= 0 && pass(cursor, length)
}

/** Of a negative number the bytes are odd; if a float64 has made them even, they are inexact. */
function skipLong(cursor: Cursor): boolean {
  const first = cursor.bytes[cursor.at] as number
  const number = readLong(cursor)
  return number !== null && (number < 0 || (first & 1) === 0)
}

function pass(cursor: Cursor, bytes: number): boolean {
  cursor.at += bytes
  return cursor.at <= cursor.to
}

function isIndex(index: number | null, length: number): boolean {
  return index !== null && index >= 0 && index < length
}

/** Reads a zigzag varint, beyond 2^53 inexactly; `null`: it is cut off. */
function readLong(cursor: Cursor): number | null {
  let [value, unit] = [0, 1]
  for (let i = 0; i < LONGEST_VARINT; i++) {
    if (cursor.at >= cursor.to) return null
    const byte = cursor.bytes[cursor.at++] as number
    value += (byte & 0x7f) * unit
    unit *= 128
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  return null
}
