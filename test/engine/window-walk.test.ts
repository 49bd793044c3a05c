import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Sizes } from '../../src/engine/layout.ts'
import { withoutGeneration } from '../support/without-generation.ts'
import { paymentRows } from './payment-rows.ts'
import { rounded, SMALL, Windowed } from './windowed.ts'

const LENGTHS_MS = [7, 60, 400]

/** Mostly ahead in time, sometimes out of order or at an equal time; now and then something is pruned or asked. */
const moves = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: entries({ min: 0, max: 3 }) },
    { weight: 3, arbitrary: entries({ min: -300, max: -1 }) },
    { weight: 1, arbitrary: fc.record({ keepMs: fc.integer({ min: 150, max: 500 }) }) },
    { weight: 2, arbitrary: fc.record({ backMs: fc.integer({ min: 0, max: 400 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ fromMs: fc.nat(600), lengthMs: fc.nat(600) }),
    },
  ),
  { minLength: 1, maxLength: 700, size: 'max' },
)

function entries(aheadMs: { min: number; max: number }) {
  return fc.record({
    aheadMs: fc.integer(aheadMs),
    amount: fc.oneof(
      fc.integer({ min: -5, max: 5 }),
      fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
    ),
    shop: fc.oneof(
      fc.constantFrom('a', 'b', 'c'),
      fc.nat(60).map((n) => `shop ${n}`),
    ),
    refund: fc.boolean(),
  })
}

/** So long, and with nothing pruned, that it has groups for certain. */
const long = Array.from({ length: 700 }, (_, i) => ({
  ...{ aheadMs: i % 3, amount: i % 7, shop: `shop ${i % 5}`, refund: i % 11 === 0 },
}))

describe.each<[string, { sizes?: Sizes; numRuns: number; groups: number }]>([
  ['in blocks of 4 and groups of 4', { sizes: SMALL, numRuns: 60, groups: 60 }],
  ['in blocks as they are', { numRuns: 15, groups: 0 }],
])('a walk over a history %s', (_, { sizes, numRuns, groups }) => {
  test('gives for every window and range what its events come to', () => {
    let grouped = 0
    fc.assert(
      fc.property(moves, (all) => {
        const windowed = new Windowed(LENGTHS_MS, undefined, sizes)
        const answers: { got: number[]; expected: number[] }[] = []
        const askRange = (afterMs: number, upToMs: number) =>
          answers.push({
            got: windowed.writeRange(afterMs, upToMs),
            expected: windowed.naiveRange(afterMs, upToMs),
          })
        let newestMs = 1_000
        let floorMs = 0
        for (const move of all) {
          if ('aheadMs' in move) {
            const timeMs = Math.max(newestMs + move.aheadMs, floorMs + 1)
            newestMs = Math.max(newestMs, timeMs)
            windowed.insert({ ...move, timeMs })
          } else if ('keepMs' in move) {
            floorMs = Math.max(floorMs, newestMs - move.keepMs)
            windowed.prune(floorMs)
          } else if ('backMs' in move) {
            const timeMs = newestMs - move.backMs
            answers.push({
              got: windowed.write(timeMs, floorMs),
              expected: windowed.naive(timeMs, floorMs),
            })
          } else askRange(newestMs - move.fromMs, newestMs - move.fromMs + move.lengthMs)
        }
        askRange(-Infinity, Infinity)
        expect(answers.map((a) => rounded(a.got))).toEqual(answers.map((a) => rounded(a.expected)))
        grouped += windowed.history.older?.groups.length ?? 0
      }),
      { numRuns, examples: [[long]] },
    )
    // Else groups were never looked at.
    expect(grouped).toBeGreaterThan(groups)
    // Exact arithmetic of every aggregate takes its time.
  })
})

test('without code generation rows are the same bits', () => {
  const script = `
    import { paymentRows } from './test/engine/payment-rows.ts'
    console.log(JSON.stringify(paymentRows()))`
  expect(withoutGeneration(script)).toEqual(paymentRows())
})
