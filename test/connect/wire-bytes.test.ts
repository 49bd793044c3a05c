import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RequestWriter, ResponseReader, topicsOf } from '../../src/connect/kafka/wire/bytes.ts'
import { encoder } from '../services/ask.ts'

const whole = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 300 }))

const bytesOf = (writer: RequestWriter) => Buffer.concat([...writer.pieces()])

describe('what a request is written with', () => {
  test("is, in classic form, what the library's encoder writes", () => {
    fc.assert(
      fc.property(whole, fc.array(int32), text, (big, list, string) => {
        const small = list[0] ?? 0
        const own = new RequestWriter(false)
          .int64(big)
          .int32(small)
          .int16(7)
          .int8(-1)
          .string(string)
        own.array(list, (item) => own.int32(item)).endStruct()
        const theirs = encoder().writeInt64(big).writeInt32(small).writeInt16(7).writeInt8(-1)
        theirs.writeString(string).writeInt32(list.length)
        for (const item of list) theirs.writeInt32(item)
        expect(bytesOf(own)).toEqual(theirs.buffer)
      }),
    )
  })

  test.each([true, false])('is read as it was written (flexible: %s)', (isFlexible) => {
    fc.assert(
      fc.property(whole, text, fc.array(text, { maxLength: 200 }), (big, string, list) => {
        const writer = new RequestWriter(isFlexible).int64(big).string(string)
        writer.array(list, (item) => writer.string(item).endStruct())
        const set = Buffer.from('records')
        writer.records(set).endStruct()
        const reader = new ResponseReader(bytesOf(writer), isFlexible)
        // The header's tagged fields.
        reader.endStruct()
        expect(reader.int64()).toBe(big)
        expect(reader.string()).toBe(string)
        const read = reader.structs(() => reader.string())
        expect(read).toEqual(list)
        expect(reader.bytes()).toEqual(set)
        reader.endStruct()
        expect(() => reader.int8()).toThrow(RangeError)
      }),
    )
  })

  test('passes over tagged fields that it does not know', () => {
    const bytes = Buffer.from([2, 9, 3, 1, 2, 3, 200, 1, 0, 42])
    const reader = new ResponseReader(bytes, true)
    reader.endStruct()
    expect(reader.int8()).toBe(42)
  })

  test('a response that says it is longer than it is, is a RangeError', () => {
    const reader = new ResponseReader(Buffer.from([0, 9, 65]), false)
    expect(() => reader.string()).toThrow(RangeError)
  })
})

test('what belongs to topics is put together in the order in which topics are met', () => {
  const items = ['b', 'a', 'b'].map((topic, i) => ({ topic, i }))
  expect(topicsOf(items)).toEqual([
    ['b', [items[0], items[2]]],
    ['a', [items[1]]],
  ])
})
