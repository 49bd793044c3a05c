import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/connect/kafka/codec/batch-header.ts'
import { naiveCrc32c } from './naive-batch.ts'

describe('crc32c', () => {
  // From RFC 3720, appendix B.4.
  test.each([
    ['zeros', Buffer.alloc(32), 0x8a9136aa],
    ['ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ])('of 32 bytes, %s, is that of the standard', (_, bytes, crc) => {
    expect(crc32c(bytes, 0, 32)).toBe(crc)
  })

  test('of any part of any bytes is what bit by bit gives', () => {
    const part = fc
      .uint8Array({ maxLength: 200 })
      .chain((bytes) =>
        fc.tuple(fc.constant(Buffer.from(bytes)), fc.nat(bytes.length), fc.nat(bytes.length)),
      )
    fc.assert(
      fc.property(part, ([bytes, a, b]) => {
        const from = Math.min(a, b)
        const to = Math.max(a, b)
        expect(crc32c(bytes, from, to)).toBe(naiveCrc32c(bytes.subarray(from, to)))
      }),
    )
  })
})
