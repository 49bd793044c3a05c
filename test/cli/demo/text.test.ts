import pc from 'picocolors'
import { describe, expect, test } from 'vitest'
import { readFlights } from '../../../src/cli/demo/flights.ts'
import {
  departureLine,
  ending,
  landingLine,
  newYorkTime,
  statusLine,
} from '../../../src/cli/demo/text.ts'
import { OutcomeTally } from '../../../src/jobs/outcome-tally.ts'
import { NO_OUTCOMES } from '../../../src/runtime/output/outcomes.ts'
import { departure, landing, NOON_MS } from './events.ts'

const plain = pc.createColors(false)
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

test('the status line has the time, the rate and how many predictions there are', () => {
  const tally = { records: 12_000, outcomes: { ...NO_OUTCOMES, scored: 11_841 } }
  const line = statusLine(NOON_MS, { seconds: 22, word: 'paced' }, tally)
  expect(line).toBe('Dec 05 12:00  paced 545/s  11,841 predictions')
})

test.each(['paced', 'speed'] as const)('at the end the rate is called %s if it was so', (word) => {
  const tally = Object.assign(new OutcomeTally(), { records: 23_594 })
  expect(ending({ seconds: 15, word }, tally, [])).toMatch(
    new RegExp(`^.*${word}.*1,573 events/s over 15.0 s$`, 'm'),
  )
})
