import { describe, expect, test } from 'vitest'
import { isLate, Watermark } from '../../src/engine/watermark.ts'

const T = Date.UTC(2026, 0, 1)

type Arrival = 'on-time' | 'late' | 'future'

/**
 * Events as [event time, record's timestamp], how each arrives, and the watermark after it; all
 * relative to T.
 */
type Story = readonly (readonly [
  eventMs: number,
  recordMs: number,
  arrival: Arrival,
  watermarkMs: number,
])[]

function watermark(lagMs: number, maxAheadMs: number | 'none' = 300_000): Watermark {
  return new Watermark({ watermark: { lagMs, idleAfterMs: null, maxAheadMs } })
}

function arrivalAt(mark: Watermark, eventMs: number, recordMs: number): Arrival {
  const isBehind = isLate(eventMs, mark.nowMs)
  if (!mark.admit(eventMs, recordMs)) return 'future'
  return isBehind ? 'late' : 'on-time'
}

describe('lag 1,000 ms, at most 300,000 ms ahead', () => {
  test.each<[string, Story]>([
    ['the first event sets it', [[0, 0, 'on-time', -1_000]]],
    [
      'exactly at it is on time, 1 ms before is late',
      [
        [0, 0, 'on-time', -1_000],
        [-1_000, 0, 'on-time', -1_000],
        [-1_001, 0, 'late', -1_000],
      ],
    ],
    [
      'an older event does not move it back',
      [
        [5_000, 5_000, 'on-time', 4_000],
        [4_500, 5_000, 'on-time', 4_000],
      ],
    ],
    [
      'a late event does not move it',
      [
        [5_000, 5_000, 'on-time', 4_000],
        [0, 5_000, 'late', 4_000],
        [4_000, 5_000, 'on-time', 4_000],
      ],
    ],
    [
      'exactly maxAhead after its record is taken, 1 ms more is future and moves nothing',
      [
        [0, 0, 'on-time', -1_000],
        [300_001, 0, 'future', -1_000],
        [300_000, 0, 'on-time', 299_000],
      ],
    ],
    [
      'the first event may be future: there is no watermark after it',
      [
        [300_001, 0, 'future', Number.NEGATIVE_INFINITY],
        [-86_400_000, 0, 'on-time', -86_401_000],
      ],
    ],
    [
      'how far an event is ahead is told by its own record, not by the newest',
      [
        [1_000_000, 1_000_000, 'on-time', 999_000],
        [1_000_000, 0, 'future', 999_000],
      ],
    ],
    [
      'of a record without a timestamp nobody can say that it is ahead: it is taken by its own time',
      [
        [0, -1 - T, 'on-time', -1_000],
        [5_000, -2 - T, 'future', -1_000],
        [5_000, -1 - T, 'on-time', 4_000],
      ],
    ],
  ])('%s', (_, story) => {
    const mark = watermark(1_000)
    for (const [eventMs, recordMs, arrival, watermarkMs] of story) {
      expect(arrivalAt(mark, T + eventMs, T + recordMs)).toBe(arrival)
      expect(mark.nowMs - T).toBe(watermarkMs)
    }
  })
})

test('without a guard an event ten years ahead moves it, and what comes next is late', () => {
  const mark = watermark(1_000, 'none')
  expect(arrivalAt(mark, T + 315_360_000_000, T)).toBe('on-time')
  expect(arrivalAt(mark, T, T)).toBe('late')
})

test('without lag the newest event is the watermark', () => {
  const mark = watermark(0)
  const arrivals = [T, T, T - 1].map((timeMs) => arrivalAt(mark, timeMs, T))
  expect(arrivals).toEqual(['on-time', 'on-time', 'late'])
})
