import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seeded } from '../../src/kernel/random.ts'
import {
  LEAST_MAGNITUDE,
  MOST_MAGNITUDE,
  Parity,
  QUANTILES,
  QuantileSketch,
  RELATIVE_ERROR,
  Stability,
} from '../../src/scoring/parity.ts'

const probability = fc.double({ min: 0, max: 1, noNaN: true })
const pairs = fc.array(fc.tuple(probability, probability), { minLength: 1, maxLength: 300 })

function agreementOf(of: readonly (readonly [number, number])[], threshold: number | null = null) {
  const agreement = new Parity(threshold)
  const [main, other] = [of.map(([m]) => m), of.map(([, o]) => o)]
  agreement.add(main, other, of.length)
  return agreement
}

describe('the quantiles of a stream', () => {
  const inRange = fc
    .tuple(
      fc.double({ min: Math.log(LEAST_MAGNITUDE), max: Math.log(MOST_MAGNITUDE), noNaN: true }),
      fc.constantFrom(-1, 1, 0),
    )
    .map(([log, sign]) => sign * Math.exp(log))

  test('are those of the nearest rank, to within 1 % of themselves', () => {
    fc.assert(
      fc.property(fc.array(inRange, { minLength: 1, maxLength: 200 }), probability, (xs, share) => {
        const sketch = new QuantileSketch()
        for (const x of xs) sketch.add(x)
        const sorted = xs.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * xs.length)) - 1] as number
        const error = Math.abs(sketch.quantile(share) - exact)
        expect(error).toBeLessThanOrEqual(RELATIVE_ERROR * Math.abs(exact) * (1 + 1e-9))
      }),
    )
  })

  test('beyond the range a number counts as its end, and never as more than the largest', () => {
    const sketch = new QuantileSketch()
    for (const x of [-1e300, 1e-12, 3]) sketch.add(x)
    expect(sketch.quantile(0)).toBeCloseTo(-MOST_MAGNITUDE, -10.5)
    expect(sketch.quantile(0.5)).toBe(0)
    expect(sketch.quantile(1)).toBeLessThanOrEqual(3)
    expect(sketch.quantile(1)).toBeCloseTo(3, 1)
  })

  test('are NaN when there are no numbers', () => {
    expect(new QuantileSketch().quantile(0.5)).toBeNaN()
  })
})

/** The PSI as {@link Stability} defines it, over all pairs at once. */
function naivePsi(of: readonly (readonly [number, number])[]): number {
  const reference = of
    .slice(0, 1_000)
    .map(([main]) => main)
    .toSorted((a, b) => a - b)
  const tenth = (k: number) => reference[Math.ceil((reference.length * k) / 10) - 1] as number
  const edges = [...new Set([1, 2, 3, 4, 5, 6, 7, 8, 9].map(tenth)), Number.POSITIVE_INFINITY]
  let psi = 0
  for (const [i, to] of edges.entries()) {
    const from = edges[i - 1] ?? Number.NEGATIVE_INFINITY
    const shareOf = (scores: readonly number[]) =>
      (scores.filter((s) => s > from && s <= to).length + 0.5) / (of.length + 0.5 * edges.length)
    const main = shareOf(of.map(([m]) => m))
    const other = shareOf(of.map(([, o]) => o))
    psi += (other - main) * Math.log(other / main)
  }
  return psi
}

describe('the stability of a population', () => {
  test.each([100, 999, 1_000, 1_001, 2_500])(
    'of %i pairs is counted by the tenths of the first 1,000 scores of the main model',
    (count) => {
      const random = seeded(count)
      // Few values, as trees give, so that tenths fall together.
      const score = () => Math.round(random() ** 3 * 12) / 12
      const of = Array.from({ length: count }, () => [score(), score()] as const)
      const stability = new Stability()
      for (const [main, other] of of) stability.add(main, other)
      expect(stability.psi?.value).toBeCloseTo(naivePsi(of), 12)
    },
  )

  test('is not told of fewer than 100 pairs', () => {
    const stability = new Stability()
    for (let i = 0; i < 99; i++) stability.add(i, i)
    expect(stability.psi).toBeNull()
    stability.add(99, 99)
    expect(stability.psi).toMatchObject({ value: 0 })
  })

  test('chance alone seldom makes it larger than it says, and a shift does', () => {
    const random = seeded(3)
    const gauss = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const largerOf = (shift: number) => {
      let larger = 0
      for (let run = 0; run < 200; run++) {
        const stability = new Stability()
        for (let i = 0; i < 2_000; i++) stability.add(gauss(), gauss() + shift)
        const { value, byChance } = stability.psi ?? { value: 0, byChance: 0 }
        if (value > byChance) larger++
      }
      return larger
    }
    expect(largerOf(0)).toBeLessThanOrEqual(4)
    expect(largerOf(0.3)).toBe(200)
  })

  test('models that always give one score have one tenth and what is above it', () => {
    const stability = new Stability()
    for (let i = 0; i < 100; i++) stability.add(0.5, 0.5)
    expect(stability.psi).toEqual({ value: 0, byChance: (10.828 * 2) / 100 })
  })
})

describe('the agreement of two models', () => {
  test('has the means and the flips of all pairs, however they arrive', () => {
    fc.assert(
      fc.property(pairs, probability, fc.nat(300), (of, threshold, cut) => {
        const agreement = new Parity(threshold)
        for (const part of [of.slice(0, cut), of.slice(cut)]) {
          const [main, other] = [part.map(([m]) => m), part.map(([, o]) => o)]
          agreement.add(Float64Array.from(main), other, part.length)
        }
        const { result } = agreement
        const mean = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length
        expect(result.pairs).toBe(of.length)
        expect(result.meanDifference).toBeCloseTo(mean(of.map(([m, o]) => o - m)), 12)
        expect(result.meanAbsoluteDifference).toBeCloseTo(
          mean(of.map(([m, o]) => Math.abs(o - m))),
          12,
        )
        const up = of.filter(([m, o]) => m < threshold && o >= threshold).length
        const down = of.filter(([m, o]) => m >= threshold && o < threshold).length
        expect(result.flips).toEqual({ threshold, up, down })
      }),
    )
  })

  test('reads no more than `count` scores', () => {
    const agreement = new Parity(null)
    agreement.add([1, 2, 3], [1, 2, 9], 2)
    expect(agreement.result).toMatchObject({ pairs: 2, meanDifference: 0, flips: null })
  })

  test('leaves out a pair in which a score is not finite, and counts it', () => {
    const { NaN: none, POSITIVE_INFINITY: infinite } = Number
    const { result } = agreementOf([
      [0.1, none],
      [none, 0.1],
      [infinite, infinite],
      [0.25, 0.75],
    ])
    expect(result).toMatchObject({ pairs: 1, notFinite: 3, meanDifference: 0.5 })
  })

  test('of no pairs is NaN and null, not 0', () => {
    const { pairs: none, quantiles, meanDifference, psi } = new Parity(0.5).result
    expect([none, meanDifference, psi]).toEqual([0, Number.NaN, null])
    expect(Object.keys(quantiles)).toEqual(Object.keys(QUANTILES))
    expect(Object.values(quantiles).every(Number.isNaN)).toBe(true)
  })

  test('a histogram has each difference in one of its bins, and 0 in the middle', () => {
    fc.assert(
      fc.property(pairs, (of) => {
        const bins = agreementOf(of).histogram(11)
        if (bins.length === 0) return
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(of.length)
        expect(bins[5]?.from).toBeLessThan(0)
        expect(bins[5]?.to).toBeGreaterThan(0)
      }),
    )
    expect(agreementOf([[0.5, 0.5]]).histogram(11)).toEqual([])
    expect(agreementOf([[0, Number.MIN_VALUE]]).histogram(11)).toEqual([])
  })
})
