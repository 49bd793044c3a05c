import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NewRecord, TopicInfo } from '../../../src/connect/port.ts'
import { partsBytes } from '../../../src/connect/record-format.ts'
import {
  batchBytes,
  isTooLarge,
  limitsOf,
  timestampFault,
} from '../../../src/runtime/output/topic-limits.ts'
import { writtenBytes } from '../../support/batches.ts'
import { runs } from '../../support/runs.ts'
import { topic } from '../hand-records.ts'

const NOW_MS = 1_800_000_000_000
const HOUR_MS = 3_600_000
const BEFORE = 'message.timestamp.before.max.ms'
const AFTER = 'message.timestamp.after.max.ms'

const limits = (other: Partial<TopicInfo>) =>
  limitsOf(topic('t', { timestampAfterMaxMs: null, ...other }))

const bytes = fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length))
const part = fc.option(bytes)
const record: fc.Arbitrary<NewRecord> = fc.record({
  topic: fc.constant('t'),
  partition: fc.constant(0),
  key: part,
  value: part,
  timestampMs: fc.constant(NOW_MS),
  headers: fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), value: bytes }), {
    maxLength: 70,
  }),
})

test('a record is measured as the batch that is sent, and is too large from the first byte over the limit', () => {
  const property = fc.property(record, (one) => {
    const size = writtenBytes(one)
    const parts = partsBytes(one)
    expect(batchBytes(parts)).toBe(size)
    expect(isTooLarge(parts, limits({ maxMessageBytes: size }))).toBe(false)
    expect(isTooLarge(parts, limits({ maxMessageBytes: size - 1 }))).toBe(true)
  })
  fc.assert(property, { numRuns: runs(300) })
})

test('where the broker tells no limit its default holds', () => {
  expect(limitsOf(undefined).maxBytes).toBe(1_048_588)
  expect(limits({ maxMessageBytes: null }).maxBytes).toBe(1_048_588)
})

describe('a timestamp', () => {
  const faultOf = (timestampMs: number, other: Partial<TopicInfo>) =>
    timestampFault(timestampMs, limits(other), { earliestMs: NOW_MS, latestMs: NOW_MS })

  test.each([
    [
      'within both bounds',
      { timestampBeforeMaxMs: HOUR_MS, timestampAfterMaxMs: HOUR_MS },
      0,
      null,
    ],
    ['too far before', { timestampBeforeMaxMs: HOUR_MS }, -HOUR_MS - 1, BEFORE],
    ['too far after', { timestampAfterMaxMs: HOUR_MS }, HOUR_MS + 1, AFTER],
    ['far away, without bounds', { timestampBeforeMaxMs: null }, -NOW_MS, null],
    [
      'far away, where the broker sets it',
      { timestampType: 'LogAppendTime', timestampBeforeMaxMs: 1, timestampAfterMaxMs: 1 } as const,
      -NOW_MS,
      null,
    ],
  ])('%s', (...[, other, fromNowMs, fault]) => {
    expect(faultOf(NOW_MS + fromNowMs, other)).toBe(fault)
  })

  test('keeps 10 s from its bounds, since the broker looks at it later and by another clock', () => {
    const other = { timestampBeforeMaxMs: HOUR_MS, timestampAfterMaxMs: HOUR_MS }
    const nearest = HOUR_MS - 10_000
    expect(faultOf(NOW_MS - nearest, other)).toBeNull()
    expect(faultOf(NOW_MS - nearest - 1, other)).toBe(BEFORE)
    expect(faultOf(NOW_MS + nearest, other)).toBeNull()
    expect(faultOf(NOW_MS + nearest + 1, other)).toBe(AFTER)
  })

  test('that one of two clocks would have it take is taken: the machine’s may just have been set', () => {
    const other = limits({ timestampBeforeMaxMs: HOUR_MS, timestampAfterMaxMs: HOUR_MS })
    const set = (byMs: number) => ({
      earliestMs: Math.min(NOW_MS, NOW_MS + byMs),
      latestMs: Math.max(NOW_MS, NOW_MS + byMs),
    })
    for (const present of [set(-2 * HOUR_MS), set(0), set(2 * HOUR_MS)]) {
      expect(timestampFault(NOW_MS, other, present)).toBeNull()
    }
    expect(timestampFault(NOW_MS - 4 * HOUR_MS, other, set(-2 * HOUR_MS))).toBe(BEFORE)
    expect(timestampFault(NOW_MS + 4 * HOUR_MS, other, set(2 * HOUR_MS))).toBe(AFTER)
  })

  test('of now is taken however narrow the bounds are', () => {
    expect(faultOf(NOW_MS, { timestampBeforeMaxMs: 1, timestampAfterMaxMs: 1 })).toBeNull()
  })

  test('that is no time is taken by no topic, but −1, which says that there is none, by all', () => {
    expect(faultOf(2 ** 63, {})).toBe(AFTER)
    expect(faultOf(-2, {})).toBe(BEFORE)
    expect(faultOf(-1, { timestampBeforeMaxMs: HOUR_MS })).toBeNull()
  })
})
