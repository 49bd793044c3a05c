import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { timestampMs } from '../../../src/formats/cloud-events/timestamp.ts'

test.each([
  ['2018-04-05T17:31:00Z', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05t17:31:00z', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05T17:31:00.5Z', Date.UTC(2018, 3, 5, 17, 31, 0, 500)],
  ['2018-04-05T17:31:00.123999999Z', Date.UTC(2018, 3, 5, 17, 31, 0, 123)],
  ['2018-04-05T19:31:00+02:00', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05T17:01:00-00:30', Date.UTC(2018, 3, 5, 17, 31)],
  ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
])('%s is that time', (text, ms) => {
  expect(timestampMs(text)).toBe(ms)
})

test.each([
  ...['', 'now', '2018-04-05', '2018-04-05T17:31Z', '2018-04-05T17:31:00', '1522949460000'],
  ...[
    '2018-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2018-13-01T00:00:00Z',
    '0018-04-05T00:00:00Z',
  ],
  ...['2018-04-05T24:00:00Z', '2018-04-05T00:60:00Z', '2018-04-05T00:00:61Z'],
  ...['2018-04-05T00:00:00+24:00', '2018-04-05T00:00:00+0200', '2018-04-05T00:00:00.Z'],
])('"%s" is no timestamp', (text) => {
  expect(timestampMs(text)).toBeNull()
})

test('every time is read as it was written, in any time zone', () => {
  const dates = fc.date({
    min: new Date('1000-01-01'),
    max: new Date('9999-12-30'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(dates, fc.integer({ min: -1_439, max: 1_439 }), (date, offset) => {
      const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1)
      const two = (n: number) => String(n).padStart(2, '0')
      const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60]
      const zone = `${offset < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}`
      expect(timestampMs(`${local}${zone}`)).toBe(date.getTime())
    }),
  )
})
