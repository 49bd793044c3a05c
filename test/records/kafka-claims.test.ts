import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeClaims, encodeClaims } from '../../src/records/kafka/claims.ts'
import { partitionName } from '../../src/records/partition-name.ts'

const NOTHING = { generation: -1, owned: [] }

const anyClaims = fc.record({
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  owned: fc.uniqueArray(
    fc.record({
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      partition: fc.nat(2_000),
    }),
    { selector: partitionName },
  ),
})

describe('claims', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(anyClaims, ({ generation, owned }) => {
        const decoded = decodeClaims(encodeClaims({ generation, owned }))
        expect(decoded.generation).toBe(generation)
        expect(new Set(decoded.owned.map(partitionName))).toEqual(new Set(owned.map(partitionName)))
      }),
    )
  })

  test('a thousand partitions take little more than a bit each', () => {
    const owned = Array.from({ length: 1_000 }, (_, partition) => ({
      topic: 'payments',
      partition,
    }))
    expect(encodeClaims({ generation: 1, owned })).toHaveLength(5 + 2 + 8 + 2 + 125)
  })

  test.each([
    ['nothing at all', null],
    ['no bytes', Buffer.alloc(0)],
    ['another format', Buffer.from([2, 0, 0, 0, 1])],
  ])('%s claims nothing', (_, data) => {
    expect(decodeClaims(data)).toEqual(NOTHING)
  })

  test('bytes that were cut off claim nothing, and any bytes are taken without an error', () => {
    const whole = encodeClaims({ generation: 1, owned: [{ topic: 'payments', partition: 9 }] })
    for (let length = 6; length < whole.length; length++) {
      expect(decodeClaims(whole.subarray(0, length))).toEqual(NOTHING)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodeClaims(Buffer.from([1, ...bytes]))
      }),
    )
  })
})
