import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addPowerSums,
  addPowers,
  Moments,
  POWER_SUMS,
} from '../../../src/engine/store/summaries.ts'
import { runs } from '../../support/runs.ts'
import { exactDeviations } from '../oracle/exact.ts'

/** Sums of the powers of deviations, of values that are summed up in groups of a size. */
function deviationsOf(values: readonly number[], group: number): [number, number, number] {
  const whole = new Float64Array(POWER_SUMS)
  for (let start = 0; start < values.length; start += group) {
    const part = new Float64Array(POWER_SUMS)
    for (const value of values.slice(start, start + group)) addPowers(part, 0, value)
    addPowerSums(whole, 0, part, 0)
  }
  const moments = new Moments()
  moments.set(values.length, Math.max(...values) - Math.min(...values), whole, 0)
  return [moments.squares, moments.cubes, moments.fourths]
}

const groups = fc.integer({ min: 1, max: 64 })
const listOf = (value: fc.Arbitrary<number>) => fc.array(value, { minLength: 1, maxLength: 100 })
const cents = fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100)

describe('as float32, in any grouping, the powers of deviations are what exact arithmetic gives', () => {
  test.each<[string, fc.Arbitrary<number[]>]>([
    ['of amounts of both signs', listOf(cents)],
    ['of few values', fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 4 })],
    ['of small ones beside large ones', listOf(fc.oneof(cents, fc.constantFrom(1e12, -1e12, 1e7)))],
    ['of values far from 0', listOf(cents.map((n) => 1e6 + n))],
    // Where twice a float64's precision has nothing left of a fourth power.
    [
      'of values 2^28 times as far from 0 as from each other',
      listOf(fc.nat(7).map((n) => 2 ** 28 + n)),
    ],
  ])('%s', (_, lists) => {
    fc.assert(
      fc.property(lists, groups, (values, group) => {
        const [squares, cubes, fourths] = deviationsOf(values, group)
        const exact = exactDeviations(values)
        expect([squares, fourths].map(Math.fround)).toEqual([exact[0], exact[2]].map(Math.fround))
        // Cubes may cancel out, all but a few of their binary digits.
        const range = Math.max(...values) - Math.min(...values)
        const odd = values.length * range ** 3 * 2 ** -50 + Math.abs(exact[1]) * 2 ** -26
        expect(Math.abs(cubes - exact[1])).toBeLessThanOrEqual(odd)
      }),
      { numRuns: runs(300) },
    )
  })
})

test('values that lie even on both sides of their mean have cubes that are nothing', () => {
  const sides = fc.array(cents, { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(sides, groups, (side, group) => {
      const both = side.flatMap((n) => [n, -n])
      const [, cubes] = deviationsOf(both, group)
      expect(cubes).toBe(0)
    }),
  )
  expect(deviationsOf([0.1, 0.2], 1)[1]).toBe(0)
})

test('equal values do not deviate', () => {
  fc.assert(
    fc.property(cents, fc.integer({ min: 1, max: 200 }), groups, (value, count, group) => {
      const same = Array.from({ length: count }, () => value)
      expect(deviationsOf(same, group)).toEqual([0, 0, 0])
    }),
  )
})
