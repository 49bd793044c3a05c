import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HistorySizes } from '../../../src/engine/store/layout.ts'
import type { Aggregate } from '../../../src/topology/aggregates.ts'
import { runs } from '../../support/runs.ts'
import { withoutGeneration } from '../../support/without-generation.ts'
import { paymentRows } from '../payment-rows.ts'
import { rounded, SMALL, UNRANKED, Windowed } from '../windowed.ts'

const LENGTHS_MS = [7, 60, 400]

/**
 * Mostly ahead in time, sometimes out of order or at an equal time; now and then something is
 * pruned or asked.
 */
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

interface Case {
  readonly sizes?: HistorySizes
  /** @default every one */
  readonly aggregates?: readonly Aggregate[]
  readonly numRuns: number
  readonly groups: number
}

describe.each<[string, Case]>([
  ['in blocks of 4 and groups of 4', { sizes: SMALL, numRuns: runs(60), groups: runs(60) }],
  [
    'in blocks of 4, without ranks',
    { sizes: SMALL, aggregates: UNRANKED, numRuns: runs(90), groups: runs(90) },
  ],
  ['in blocks as they are', { numRuns: runs(15), groups: 0 }],
])('a walk over a history %s', (_, { sizes, aggregates, numRuns, groups }) => {
  test('gives for every window and range what its events come to', () => {
    let grouped = 0
    fc.assert(
      fc.property(moves, (all) => {
        const windowed = new Windowed(LENGTHS_MS, aggregates, sizes)
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
    // Makes sure that groups were looked at.
    expect(grouped).toBeGreaterThan(groups)
    // Exact arithmetic of every aggregate takes its time.
  })
})

describe('a window over settled blocks', () => {
  const counts: Aggregate[] = [
    { of: 'count' },
    { of: 'sum', column: 'amount' },
    { of: 'max', column: 'amount', empty: 0 },
    { of: 'first', column: 'amount', cell: 'number', empty: 0 },
    { of: 'distinct', column: 'shop' },
  ]

  /**
   * Asked after every event, as the engine asks; one in so many is out of order by up to so much.
   */
  function differences({ late, byMs }: { late: number; byMs: number }): unknown[] {
    const windowed = new Windowed([40, 200, 500], counts, SMALL)
    const odd: unknown[] = []
    let newestMs = 0
    for (let i = 0; i < 500; i++) {
      const behindMs = i % late === late - 1 ? (i * 7_919) % byMs : 0
      const timeMs = Math.max(i * 2 - behindMs, newestMs - 500 + 1)
      newestMs = Math.max(newestMs, timeMs)
      windowed.prune(newestMs - 500)
      windowed.insert({ timeMs, amount: (i * 31) % 97, shop: `${(i * i) % 151}`, refund: false })
      const got = rounded(windowed.write(timeMs, newestMs - 500))
      const expected = rounded(windowed.naive(timeMs, newestMs - 500))
      if (JSON.stringify(got) !== JSON.stringify(expected)) odd.push({ i, got, expected })
    }
    return odd.slice(0, 3)
  }

  test.each([
    ['in order', { late: 10_000, byMs: 1 }],
    ['of which one in 20 comes late by less than a block', { late: 20, byMs: 6 }],
    ['of which one in 20 comes late by some blocks', { late: 20, byMs: 120 }],
    ['of which one in 7 comes late by a third of the window', { late: 7, byMs: 170 }],
  ])('is what its events come to, %s', (_, how) => {
    expect(differences(how)).toEqual([])
  })
})

test('what is pruned is no longer in a range that begins before it', () => {
  const windowed = new Windowed([40], [{ of: 'count' }], SMALL)
  for (let timeMs = 0; timeMs < 100; timeMs++) {
    windowed.insert({ timeMs, amount: 0, shop: '', refund: false })
  }
  expect(windowed.writeRange(-Infinity, Infinity)).toEqual([100])
  windowed.prune(59)
  expect(windowed.writeRange(-Infinity, Infinity)).toEqual([40])
})

test('without code generation rows are the same bits', () => {
  const script = `
    import { paymentRows } from './test/engine/payment-rows.ts'
    console.log(JSON.stringify(paymentRows()))`
  expect(withoutGeneration(script)).toEqual(paymentRows())
})
