import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shortestFloat32 } from '../../src/scoring/runner.ts'
import { runs } from '../support/runs.ts'

const RUNS = { numRuns: runs(20_000) }
/** All bit patterns with equal probability, so every magnitude, and the magnitudes of scores. */
const anyFloat32 = fc.integer({ min: 0, max: 0xffff_ffff }).map((bits) => {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits)
  return view.getFloat32(0)
})
const score = fc.float({ min: -1, max: 1, noNaN: true })
const float32 = fc.oneof(anyFloat32, score, fc.float({ noNaN: true, min: -2e6, max: 2e6 }))

function byTrying(x: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(x.toPrecision(digits))
    if (Math.fround(decimal) === x) return decimal
  }
  return Number(x.toPrecision(9))
}

describe('the shortest decimal of a float32', () => {
  it('rounds back to the same float32', () => {
    fc.assert(
      fc.property(float32, (x) => Object.is(Math.fround(shortestFloat32(x)), x)),
      RUNS,
    )
  })

  it('is what trying each number of digits finds', () => {
    const finite = float32.filter((x) => Number.isFinite(x) && x !== 0)
    fc.assert(
      fc.property(finite, (x) => Object.is(shortestFloat32(x), byTrying(x))),
      RUNS,
    )
  })

  it('returns the decimal of up to six digits that a float32 was made from', () => {
    const decimal = fc
      .tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: 0, max: 12 }))
      .map(([digits, places]) => Number(`${digits}e-${places}`))
    fc.assert(
      fc.property(decimal, (x) => shortestFloat32(Math.fround(x)) === x),
      RUNS,
    )
  })

  it.each([
    [Math.fround(0.1), 0.1],
    [Math.fround(0.00084769726), 0.00084769726],
    [Math.fround(0.01), 0.01],
    [Math.fround(1 / 3), 0.33333334],
    [16_777_217, 16_777_216],
    [2 ** -149, 1e-45],
  ])('%d is written %d', (x, decimal) => {
    expect(shortestFloat32(Math.fround(x))).toBe(decimal)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0])(
    'leaves %d alone',
    (x) => {
      expect(shortestFloat32(x)).toBe(x)
    },
  )
})
