import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partitionName } from '../../src/kernel/ids.ts'
import {
  decodeClaims,
  decodeLiveIds,
  encodeClaims,
  encodeLiveIds,
} from '../../src/records/kafka/sticky-assigner.ts'

const NOTHING = { generation: -1, owned: [], transactionalId: null }

const anyClaims = fc.record({
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  owned: fc.uniqueArray(
    fc.record({
      topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      partition: fc.nat(2_000),
    }),
    { selector: partitionName },
  ),
  transactionalId: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })),
})

describe('claims', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const { owned, ...decoded } = decodeClaims(encodeClaims(claims))
        const { owned: claimed, ...rest } = claims
        expect(decoded).toEqual(rest)
        expect(new Set(owned.map(partitionName))).toEqual(new Set(claimed.map(partitionName)))
      }),
    )
  })

  test('a thousand partitions take little more than a bit each', () => {
    const owned = Array.from({ length: 1_000 }, (_, partition) => ({
      topic: 'payments',
      partition,
    }))
    const claims = { generation: 1, owned, transactionalId: 'id' }
    expect(encodeClaims(claims)).toHaveLength(5 + 2 + 2 + 2 + 8 + 2 + 125)
  })

  test.each([
    ['nothing at all', null],
    ['no bytes', Buffer.alloc(0)],
    ['another format', Buffer.from([1, 0, 0, 0, 1, 0, 0])],
  ])('%s claims nothing', (_, data) => {
    expect(decodeClaims(data)).toEqual(NOTHING)
  })

  test('bytes that were cut off claim nothing, and any bytes are taken without an error', () => {
    const owned = [{ topic: 'payments', partition: 9 }]
    const whole = encodeClaims({ generation: 1, owned, transactionalId: null })
    const bare = encodeClaims({ generation: 1, owned: [], transactionalId: null })
    for (let length = 0; length < whole.length; length++) {
      if (length === bare.length) continue
      expect(decodeClaims(whole.subarray(0, length))).toEqual(NOTHING)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodeClaims(Buffer.from([2, ...bytes]))
        decodeLiveIds(Buffer.from([2, ...bytes]))
      }),
    )
  })
})

describe('the ids in a group', () => {
  test('come out as they went in', () => {
    for (const ids of [[], ['a'], ['a', 'ü-1']]) {
      expect(decodeLiveIds(encodeLiveIds(ids))).toEqual(new Set(ids))
    }
  })

  test.each([
    ['nothing at all', null],
    ['no bytes', Buffer.alloc(0)],
    ['bytes that were cut off', Buffer.from([2, 0, 5, 1])],
  ])('%s say nothing of them', (_, data) => {
    expect(decodeLiveIds(data)).toBeNull()
  })
})
