import pc from 'picocolors'
import { describe, expect, test } from 'vitest'
import { readFlights } from '../../../src/cli/demo/flights.ts'
import { departureLine, landingLine, newYorkTime, statusLine } from '../../../src/cli/demo/text.ts'
import { departure, landing, NOON_MS } from './events.ts'

const plain = pc.createColors(false)
const batchesOf = (p50: number, p99: number) => ({
  quantileMs: (share: number) => (share === 0.5 ? p50 : p99),
})
const snapshot = {
  seconds: 22,
  perSecond: 545.4,
  watermarkMs: NOON_MS - 600_000,
  lag: 3,
  predictions: 11_841,
  deadLetters: 3,
  batchMs: batchesOf(0.31, 12.4),
}

test('times are those of New York', () => {
  expect(newYorkTime(NOON_MS)).toBe('Dec 05 12:00')
  expect(newYorkTime(NOON_MS + 12 * 3_600_000)).toBe('Dec 06 00:00')
})

describe('a flight', () => {
  test('is told in one line when it leaves and in one when it lands', () => {
    const departed = departure('UA1545')
    expect(departureLine(departed, 0.714, plain)).toBe(
      'Dec 05 12:00  UA1545  EWR→IAH  left 12 min late      71 % to arrive late',
    )
    expect(landingLine(landing(departed, 34), { said: 0.714, wasLate: true }, plain)).toBe(
      'Dec 05 15:00  UA1545  EWR→IAH  landed 34 min late   ✓ late (said 71 %)',
    )
    expect(landingLine(landing(departed, -3), { said: 0.714, wasLate: false }, plain)).toBe(
      'Dec 05 15:00  UA1545  EWR→IAH  landed 3 min early   ✗ on time (said 71 %)',
    )
  })

  test('of the sample never needs more than 80 columns', () => {
    const lines = readFlights().flatMap(({ event }) => {
      if (event === null) return []
      return event.kind === 'departed'
        ? [departureLine(event, 1, plain)]
        : [landingLine(event, { said: 1, wasLate: false }, plain)]
    })
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

describe('the status line', () => {
  test('has everything where there is room', () => {
    expect(statusLine(snapshot, NOON_MS, Number.POSITIVE_INFINITY)).toBe(
      'Dec 05 12:00  545/s  watermark −10m  lag 3  score p50 0.3 p99 12 ms  3 dead  11,841 predictions',
    )
  })

  test('leaves out the last parts rather than wrap', () => {
    for (let columns = 10; columns < 100; columns++) {
      expect(statusLine(snapshot, NOON_MS, columns).length).toBeLessThanOrEqual(columns)
    }
    expect(statusLine(snapshot, NOON_MS, 80)).toMatch(/3 dead$/)
  })

  test('has a dash for what is not known yet', () => {
    const unknown = {
      ...snapshot,
      watermarkMs: Number.NEGATIVE_INFINITY,
      batchMs: batchesOf(Number.NaN, Number.NaN),
    }
    expect(statusLine(unknown, NOON_MS, 80)).toContain('watermark –  lag 3  score p50 – p99 – ms')
  })
})
