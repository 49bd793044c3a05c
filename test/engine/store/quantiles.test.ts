import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { QuantileSearch } from '../../../src/engine/store/quantiles.ts'
import { runs } from '../../support/runs.ts'

/** Type 7 over all runs together. */
function sorted(several: readonly number[][], q: number): number {
  const all = several.flat().toSorted((a, b) => a - b)
  const rank = q * (all.length - 1)
  const low = all[Math.floor(rank)] as number
  const high = all[Math.ceil(rank)] as number
  return low + (high - low) * (rank - Math.floor(rank))
}

function selected(several: readonly number[][], q: number): number {
  const search = new QuantileSearch()
  for (const run of several) {
    const data = Float64Array.from([99, ...run.toSorted((a, b) => a - b), 99])
    search.add(data, 1, run.length)
  }
  return search.quantile(q)
}

const numbers = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.integer(), fc.nat(1_000))
const run = fc.array(numbers, { maxLength: 300, size: 'max' })
const runsOfAnySize = fc.array(run, { minLength: 1, maxLength: 12 })

test('a quantile of several runs is that of all their numbers sorted', () => {
  fc.assert(
    fc.property(runsOfAnySize, fc.constantFrom(0, 0.01, 0.25, 0.5, 0.9, 0.999, 1), (several, q) => {
      fc.pre(several.flat().length > 0)
      expect(selected(several, q)).toBe(sorted(several, q))
    }),
    { numRuns: runs(300) },
  )
})

/** Runs whose numbers say much, or nothing, about those of the others. */
const shapes: Record<string, (run: number, i: number) => number> = {
  'rising from run to run': (r, i) => r * 1_000 + i,
  'falling from run to run': (r, i) => -r * 1_000 + i,
  'all equal': () => 7,
  'few different': (r, i) => (r * i) % 3,
  'one outlier each': (r, i) => (i === 0 ? r * 1e9 : i),
}

test.each(Object.entries(shapes))('also of many runs that are %s', (_, shape) => {
  const many = Array.from({ length: 50 }, (_run, r) =>
    Array.from({ length: 100 }, (_number, i) => shape(r, i)),
  )
  for (const q of [0, 0.3, 0.5, 0.99, 1]) expect(selected(many, q)).toBe(sorted(many, q))
})
