import { dayOfWeek, days, hourOfDay, hours, millis, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { parseDuration } from '../../src/kernel/time.ts'

test('a length of time is its number of milliseconds', () => {
  expect(days(2)).toBe(2 * hours(24))
  expect(hours(2)).toBe(2 * minutes(60))
  expect(minutes(2)).toBe(2 * seconds(60))
  expect(seconds(2)).toBe(millis(2_000))
  expect(millis(2)).toBe(2)
})

test.each([
  ['90m', 5_400_000],
  ['6h30m', 23_400_000],
  ['1d1h1m1s', 90_061_000],
  ['', null],
  ['6', null],
  ['0h', null],
  ['30m6h', null],
  ['6h6h', null],
  ['1.5h', null],
])('the length of time "%s" is %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

const sample = Array.from({ length: 500 }, (_, i) => 1_700_000_000_000 + i * 7_919_337 - 9e11)

test('the hour of the day is that of the calendar, at any offset', () => {
  for (const offset of [-11, 0, 2, 5.5]) {
    for (const at of [...sample, -1]) {
      expect(hourOfDay(at, hours(offset))).toBe(new Date(at + hours(offset)).getUTCHours())
    }
  }
  expect(hourOfDay(Date.UTC(2026, 10, 29, 8, 59))).toBe(8)
})

test('the day of the week is that of ISO 8601, at any offset', () => {
  for (const offset of [-11, 0, 2]) {
    for (const at of [...sample, -1]) {
      const day = new Date(at + hours(offset)).getUTCDay()
      expect(dayOfWeek(at, hours(offset))).toBe(day === 0 ? 7 : day)
    }
  }
})
