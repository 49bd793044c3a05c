import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  NumberReader,
  varintBytes,
  varlongBytes,
  writeVarint,
  writeVarlong,
} from '../../src/connect/record-format.ts'
import { naiveVarint } from './codec/naive-batch.ts'

const int32 = fc.oneof(fc.integer(), fc.integer({ min: -300, max: 300 }))
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer().map(BigInt),
)
const whole = fc.oneof(fc.integer(), fc.maxSafeInteger())

describe('numbers of variable length', () => {
  test('any of 32 bits is read as it was written', () => {
    fc.assert(
      fc.property(int32, (value) => {
        const bytes = naiveVarint(BigInt(value))
        const reader = new NumberReader(bytes, 0)
        expect(reader.varint()).toBe(value)
        expect(reader.at).toBe(bytes.length)
        const written = Buffer.alloc(5)
        expect(writeVarint(written, 0, value)).toBe(bytes.length)
        expect(written.subarray(0, bytes.length)).toEqual(bytes)
        expect(varintBytes(value)).toBe(bytes.length)
      }),
    )
  })

  test('any of 64 bits is read exactly', () => {
    fc.assert(
      fc.property(int64, (value) => {
        const bytes = naiveVarint(value)
        const reader = new NumberReader(bytes, 0)
        expect(BigInt(reader.varlong())).toBe(value)
        expect(reader.at).toBe(bytes.length)
      }),
    )
  })

  test('any whole number up to 2^53 is written exactly', () => {
    fc.assert(
      fc.property(whole, (value) => {
        const bytes = naiveVarint(BigInt(value))
        const written = Buffer.alloc(10)
        expect(writeVarlong(written, 0, value)).toBe(bytes.length)
        expect(written.subarray(0, bytes.length)).toEqual(bytes)
        expect(varlongBytes(value)).toBe(bytes.length)
      }),
    )
  })

  test('one that does not end is refused', () => {
    const endless = Buffer.alloc(20, 0xff)
    expect(() => new NumberReader(endless, 0).varint()).toThrow('does not end')
    expect(() => new NumberReader(endless, 0).varlong()).toThrow('does not end')
  })

  test('past the end there are zeros', () => {
    const reader = new NumberReader(Buffer.from([0x80]), 0)
    expect(reader.varint()).toBe(0)
    expect(reader.varint()).toBe(0)
    expect(reader.varlong()).toBe(0)
    expect(reader.at).toBe(4)
  })
})
