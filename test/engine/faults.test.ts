import { expect, test } from 'vitest'
import { futureError, lateError } from '../../src/engine/faults.ts'

test('a fault of an event time says how far off it is, and not the time', () => {
  const timeMs = 1_731_700_000_123
  const messages = [futureError(timeMs, timeMs - 600_000), lateError(timeMs, timeMs + 500)]
  expect(messages.map(({ message }) => message)).toEqual([
    "the event time is 10 min after its record's own timestamp",
    'the event time is 500 ms behind the watermark',
  ])
})
