import { dayOfWeek, days, hourOfDay, hours, millis, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'

test('a length of time is its number of milliseconds', () => {
  expect(days(2)).toBe(2 * hours(24))
  expect(hours(2)).toBe(2 * minutes(60))
  expect(minutes(2)).toBe(2 * seconds(60))
  expect(seconds(2)).toBe(millis(2_000))
  expect(millis(2)).toBe(2)
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
