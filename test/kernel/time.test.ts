import { days, hours, millis, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'

test('a length of time is its number of milliseconds', () => {
  expect(days(2)).toBe(2 * hours(24))
  expect(hours(2)).toBe(2 * minutes(60))
  expect(minutes(2)).toBe(2 * seconds(60))
  expect(seconds(2)).toBe(millis(2_000))
  expect(millis(2)).toBe(2)
})
