import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { isIsoTime, isoTimeMs, isUtcTime } from '../../src/kernel/iso-time.ts'

test.each([
  ['2018-04-05T17:31:00Z', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05t17:31:00z', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05T17:31:00.5Z', Date.UTC(2018, 3, 5, 17, 31, 0, 500)],
  ['2018-04-05T17:31:00.123999999Z', Date.UTC(2018, 3, 5, 17, 31, 0, 123)],
  ['2018-04-05T19:31:00+02:00', Date.UTC(2018, 3, 5, 17, 31)],
  ['2018-04-05T17:01:00-00:30', Date.UTC(2018, 3, 5, 17, 31)],
  ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ['0018-04-05T00:00:00Z', Date.parse('0018-04-05T00:00:00Z')],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
])('%s is that time', (text, ms) => {
  expect(isoTimeMs(text)).toBe(ms)
})

test.each([
  ...['', 'now', '2018-04-05', '2018-04-05T17:31Z', '2018-04-05T17:31:00', '1522949460000'],
  ...['2018-02-30T00:00:00Z', '2023-02-29T00:00:00Z', '2018-13-01T00:00:00Z'],
  ...['2018-04-05T24:00:00Z', '2018-04-05T00:60:00Z', '2018-04-05T00:00:61Z'],
  ...['2018-04-05T00:00:00+24:00', '2018-04-05T00:00:00+0200', '2018-04-05T00:00:00.Z'],
])('"%s" is no timestamp', (text) => {
  expect(isoTimeMs(text)).toBeNaN()
})

test('every time is read as it was written, in any time zone', () => {
  const dates = fc.date({
    min: new Date('0000-01-02'),
    max: new Date('9999-12-30'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(dates, fc.integer({ min: -1_439, max: 1_439 }), (date, offset) => {
      const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1)
      const two = (n: number) => String(n).padStart(2, '0')
      const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60]
      const zone = `${offset < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}`
      expect(isoTimeMs(`${local}${zone}`)).toBe(date.getTime())
    }),
  )
})

test('what zod surely takes, it takes', () => {
  const schemas = [z.iso.datetime(), z.iso.datetime({ offset: true })]
  const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'))
  const between = fc.constantFrom('T', 'T', 'T', 't', ' ')
  const fraction = fc.constantFrom('', '', '.5', '.123456', '.', ',5')
  const zone = fc.constantFrom('Z', 'z', '', '+00:00', '-23:59', '+24:00', '+2:00', '+0200')
  const parts = [fc.constantFrom('0000', '1900', '2000', '2023', '2024'), two(13), two(32)]
  const text = fc
    .tuple(...(parts as [(typeof parts)[0], (typeof parts)[1], (typeof parts)[1]]), between)
    .chain(([year, month, day, t]) =>
      fc
        .tuple(two(25), two(61), two(61), fraction, zone)
        .map(([h, m, s, f, z0]) => `${year}-${month}-${day}${t}${h}:${m}:${s}${f}${z0}`),
    )
  let taken = 0
  fc.assert(
    fc.property(text, (time) => {
      const bytes = Buffer.from(time)
      for (const [i, schema] of schemas.entries()) {
        const takes = i === 1 ? isIsoTime : isUtcTime
        if (!takes(bytes, 0, bytes.length)) continue
        taken++
        expect(schema.safeParse(time).success).toBe(true)
        expect(isoTimeMs(time)).toBe(Date.parse(time))
      }
    }),
    { numRuns: 20_000 },
  )
  expect(taken).toBeGreaterThan(1_000)
})
