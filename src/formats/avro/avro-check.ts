import type { Type, types } from 'avsc'
import { perType } from '../payload.ts'
import { checkKey, cutOff, type PayloadCursor, Refusal, type Walk } from '../payload-cursor.ts'
import { unitsPerMs } from './avro-type.ts'

// Checks an Avro value before avsc decodes it. Besides the faults of any format, avsc reads a
// long below −2^52 as another number, an int of more than 32 bits, and any byte as a boolean.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

const NO_NUMBER = 'a long is below −2^52 or above 2^53 − 2, and others are not read exactly'

/** The walk over a whole value. */
export function avroWalk(type: Type): Walk {
  const skip = skipOf(type)
  return (cursor) => {
    skip(cursor)
    const more = cursor.to - cursor.at
    if (more > 0) throw new Refusal(`${more} bytes follow it`)
  }
}

export function skipOf(type: Type): Walk {
  return perType(countedSkip)(type)
}

function countedSkip(type: Type, walkOf: (type: Type) => Walk): Walk {
  const skip = newSkip(type, walkOf)
  return (cursor) => {
    cursor.count(1)
    skip(cursor)
  }
}

function newSkip(type: Type, walkOf: (type: Type) => Walk): Walk {
  if (unitsPerMs(type) !== null) return (cursor) => void cursor.signed()
  switch (type.typeName) {
    case 'null':
      return () => {}
    case 'boolean':
      return skipBoolean
    case 'int':
      return skipInt
    case 'long':
      return skipLong
    case 'enum': {
      const { length } = (type as types.EnumType).symbols
      return (cursor) => readIndex(cursor, length)
    }
    case 'float':
      return (cursor) => cursor.skip(4)
    case 'double':
      return (cursor) => cursor.skip(8)
    case 'fixed': {
      const { size } = type as types.FixedType
      return (cursor) => cursor.skip(size)
    }
    case 'string':
      return readText
    case 'bytes':
      return (cursor) => cursor.skip(readLength(cursor))
    case 'array':
      return nested(blocks(walkOf((type as types.ArrayType).itemsType)))
    case 'map': {
      const value = walkOf((type as types.MapType).valuesType)
      return nested(
        blocks((cursor) => {
          checkKey(readText(cursor))
          value(cursor)
        }),
      )
    }
    case 'union:wrapped':
    case 'union:unwrapped': {
      const members = (type as types.WrappedUnionType).types.map(walkOf)
      return (cursor) => (members[readIndex(cursor, members.length)] as Walk)(cursor)
    }
    case 'record':
    case 'error': {
      const fields = (type as types.RecordType).fields.map((field) => walkOf(field.type))
      return nested((cursor) => {
        for (const field of fields) field(cursor)
      })
    }
    default:
      return () => {
        throw new Refusal(`it has a value of the type ${type.typeName}`)
      }
  }
}

function nested(skip: Walk): Walk {
  return (cursor) => {
    cursor.enter()
    skip(cursor)
    cursor.leave()
  }
}

/** Skips blocks of items. A negative number of items is followed by the size of the block. */
function blocks(item: Walk): Walk {
  return (cursor) => {
    for (;;) {
      const count = cursor.signed()
      if (count === 0) return
      if (count < 0) cursor.signed()
      cursor.expect(Math.abs(count))
      for (let left = Math.abs(count); left > 0; left--) item(cursor)
    }
  }
}

function skipBoolean(cursor: PayloadCursor): void {
  const byte = cursor.bytes[cursor.at] as number
  cursor.skip(1)
  if (byte > 1) throw new Refusal('a boolean is neither 0 nor 1')
}

function skipInt(cursor: PayloadCursor): void {
  const number = cursor.signed()
  if ((number | 0) !== number) throw new Refusal('an int has more than 32 bits')
}

/** The varint of a negative number is odd; if a float64 has made it even, it is inexact. */
function skipLong(cursor: PayloadCursor): void {
  const first = cursor.bytes[cursor.at] as number
  const number = cursor.signed()
  const isExact = number < 0 ? number >= -(2 ** 52) : (first & 1) === 0 && number <= 2 ** 53 - 2
  if (!isExact) throw new Refusal(NO_NUMBER)
}

function readText(cursor: PayloadCursor): Uint8Array {
  return cursor.text(readLength(cursor))
}

function readLength(cursor: PayloadCursor): number {
  const length = cursor.signed()
  if (length < 0) throw cutOff()
  return length
}

function readIndex(cursor: PayloadCursor, length: number): number {
  const index = cursor.signed()
  if (index >= 0 && index < length) return index
  throw new Refusal(`an index of ${length} symbols or types is ${index}`)
}
