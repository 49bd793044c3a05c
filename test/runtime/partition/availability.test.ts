import { expect, test } from 'vitest'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'
import { Availability } from '../../../src/runtime/partition/availability.ts'

const COMMITTED: RuntimeEvent = {
  type: 'committed',
  outputs: [],
  nextOffsets: [],
  durationMs: 1,
}
const OVER: RuntimeEvent = { type: 'commit-over' }
const SLOW: RuntimeEvent = { type: 'commit-slow', durationMs: 5_000 }
const THROTTLED: RuntimeEvent = { type: 'throttled', of: 'writing', durationMs: 4_200 }

/** Why it is unavailable after all that. */
function reasonAfter(...events: readonly RuntimeEvent[]): string | null {
  const availability = new Availability()
  for (const event of events) availability.follow(event)
  return availability.reason
}

test('a commit that takes long because the last one was throttled says so', () => {
  expect(reasonAfter(THROTTLED, COMMITTED, SLOW)).toBe(
    'a commit has been on its way for 5 s, throttled by the broker 4.2 s',
  )
})

test('what was waited for before is not told any more', () => {
  expect(reasonAfter(THROTTLED, COMMITTED, COMMITTED, SLOW)).toBe(
    'a commit has been on its way for 5 s',
  )
})

test('slow writing stops nothing, and says how slow it is and whether brokers throttle', () => {
  const hindranceAfter = (...events: readonly RuntimeEvent[]) => {
    const availability = new Availability()
    for (const event of events) availability.follow(event)
    return [availability.reason, availability.hindrance]
  }
  const slow: RuntimeEvent = { type: 'writing-slow', bytesPerSecond: 50_300 }
  const words = 'writing is slow: about 51 KB a second get through to the brokers'
  expect(hindranceAfter(slow)).toEqual([null, words])
  expect(hindranceAfter(THROTTLED, COMMITTED, slow)).toEqual([
    null,
    `${words}, because they throttle this client`,
  ])
  const over: RuntimeEvent = { type: 'writing-slow', bytesPerSecond: null }
  expect(hindranceAfter(slow, over)).toEqual([null, null])
})

test('several things may be in the way, and each goes by itself', () => {
  const partitions = [{ topic: 'events', partition: 3, reason: 'it has no leader' }]
  const unreadable: RuntimeEvent = { type: 'unreadable', partitions }
  const both = 'a commit has been on its way for 5 s; events-3 cannot be read: it has no leader'
  expect(reasonAfter(SLOW, unreadable)).toBe(both)
  expect(reasonAfter(SLOW, unreadable, OVER)).toBe('events-3 cannot be read: it has no leader')
  expect(reasonAfter(SLOW, unreadable, OVER, { type: 'unreadable', partitions: [] })).toBeNull()
})

test('a commit that has failed is in the way, for whatever reason, until nothing of it is left', () => {
  const failed: RuntimeEvent = {
    type: 'commit-failed',
    code: 'COMMIT_FAILED',
    reason: 'the broker did not answer',
    nextAttemptMs: 100,
  }
  expect(reasonAfter(failed)).toBe('the broker did not answer')
  expect(reasonAfter(SLOW, failed)).toBe('the broker did not answer')
  expect(reasonAfter(failed, OVER)).toBeNull()
  expect(reasonAfter(failed, OVER, failed)).toBe('the broker did not answer')
})
