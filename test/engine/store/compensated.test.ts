import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addTo, productError, variance } from '../../../src/engine/store/compensated.ts'
import {
  addSummary,
  addValues,
  clearSummary,
  isNothing,
  SQUARES,
  SUM,
  SUMMARY,
} from '../../../src/engine/store/summaries.ts'
import { runs } from '../../support/runs.ts'
import { exactSum, exactVariance } from '../oracle/exact.ts'

const amounts = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
  fc.constantFrom(0.1, 0.2, 33.33, 1e7, -1e7, 1e12, -1e12),
)
const lists = fc.array(amounts, { minLength: 1, maxLength: 100 })

/** Sums of the values, summed up in groups of a size. */
function summaryOf(values: readonly number[], group: number): Float64Array {
  const whole = new Float64Array(SUMMARY)
  const part = new Float64Array(SUMMARY)
  const data = Float64Array.from(values)
  clearSummary(whole, 0)
  for (let start = 0; start < values.length; start += group) {
    clearSummary(part, 0)
    addValues(part, 0, { data, from: start, upTo: Math.min(start + group, values.length) })
    addSummary(whole, 0, part, 0)
  }
  return whole
}

const total = (sums: Float64Array, at: number) => (sums[at] as number) + (sums[at + 1] as number)

describe('as float32, in any grouping, equal to what exact arithmetic gives', () => {
  test('a sum', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 64 }), (values, group) => {
        const sum = total(summaryOf(values, group), SUM)
        expect(Math.fround(sum)).toBe(Math.fround(exactSum(values)))
      }),
      { numRuns: runs(500) },
    )
  })

  test('a standard deviation', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 64 }), (values, group) => {
        const std = Math.sqrt(variance(values.length, summaryOf(values, group), SUM, SQUARES))
        const exact = Math.sqrt(exactVariance(values))
        // Equal values are left to min and max: of their sums a rest in the 30th digit remains.
        fc.pre(exact > 0)
        expect(Math.fround(std)).toBe(Math.fround(exact))
      }),
      { numRuns: runs(500) },
    )
  })
})

test('a variance near a tie between two float32 falls to the side that exact arithmetic gives', () => {
  // Amounts in cents, an exact number of eighths apart: their variance has few digits, but they
  // themselves are rounded.
  const cents = fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100)
  const apart = fc.integer({ min: 800, max: 20_000 }).map((n) => n / 8)
  const pairs = fc.tuple(cents, apart).map(([a, d]) => [a, Number((a - d).toFixed(3))])
  fc.assert(
    fc.property(pairs, (values) => {
      const of = variance(2, summaryOf(values, 1), SUM, SQUARES)
      expect(Math.fround(of)).toBe(Math.fround(exactVariance(values)))
    }),
    { numRuns: runs(1000), examples: [[[337.05, -694.2]]] },
  )
})

test('values that cancel out sum to nothing, in any order and grouping, and no others do', () => {
  // Values of many digits, so that what rounding takes is itself rounded.
  const digits = fc
    .tuple(fc.maxSafeInteger(), fc.integer({ min: -120, max: 0 }))
    .map(([n, exponent]) => n * 2 ** exponent)
  const cancelling = fc.array(digits, { minLength: 1, maxLength: 100 }).chain((values) => {
    const both = [...values, ...values.map((v) => -v)]
    return fc.shuffledSubarray(both, { minLength: both.length })
  })
  const nothing = (values: readonly number[], group: number) =>
    isNothing(summaryOf(values, group), 0, values.length)
  fc.assert(
    fc.property(cancelling, lists, fc.integer({ min: 1, max: 64 }), (none, some, group) => {
      expect(nothing(none, group)).toBe(true)
      expect(nothing(some, group)).toBe(exactSum(some) === 0)
    }),
    { numRuns: runs(500) },
  )
  expect(nothing([0.1, 0.2, -0.3, 1e7, -1e7], 2)).toBe(false)
})

test('what a plain sum loses is kept', () => {
  const sums = new Float64Array(2)
  for (const value of [1e16, 1, -1e16]) addTo(sums, 0, value)
  expect(1e16 + 1 - 1e16).toBe(0)
  expect(total(sums, 0)).toBe(1)
})

test('a square and its error are the square exactly', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (x) => {
      const square = x * x
      expect(BigInt(square) + BigInt(productError(x, x, square))).toBe(BigInt(x) ** 2n)
    }),
  )
})

test('a variance is never negative', () => {
  fc.assert(
    fc.property(amounts, fc.integer({ min: 1, max: 200 }), (value, count) => {
      const same = Array.from({ length: count }, () => value)
      expect(variance(count, summaryOf(same, 7), SUM, SQUARES)).toBeGreaterThanOrEqual(0)
    }),
  )
})
