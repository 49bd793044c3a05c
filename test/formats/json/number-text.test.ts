import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NUMBER_BYTES, writeNumber } from '../../../src/formats/json/number-text.ts'
import { shortestFloat32 } from '../../../src/scoring/runner.ts'
import { runs } from '../../support/runs.ts'

const RUNS = { numRuns: runs(10_000) }
const SPARE = 4

const room = Buffer.alloc(SPARE + NUMBER_BYTES + SPARE)
const UNTOUCHED = '.'.repeat(room.length)

/** The text that is written into a room; `, and more` follows when bytes around it changed. */
function written(x: number): string {
  room.fill('.')
  const end = writeNumber(room, SPARE, x)
  const text = room.toString('latin1', SPARE, end)
  room.fill('.', SPARE, end)
  return room.toString('latin1') === UNTOUCHED ? text : `${text}, and more`
}

/** Integers, and integers over a power of ten, of every length. */
const decimal = fc
  .tuple(
    fc.integer({ min: 1, max: 17 }),
    fc.integer({ min: 0, max: 22 }),
    fc.double({ min: -1, max: 1 }),
  )
  .map(([length, places, share]) => Number(`${Math.round(10 ** length * share)}e-${places}`))
const score = fc.float({ min: 0, max: 1, noNaN: true })
const number = fc.oneof(
  fc.double(),
  decimal,
  fc.float(),
  score.map(shortestFloat32),
  fc.float().map(shortestFloat32),
  fc.maxSafeInteger(),
  fc.integer({ min: 1, max: 9_007_198 }).map((billions) => billions * 1e9 - 1),
)

describe('the text of a number', () => {
  it('is the one that JSON.stringify writes', () => {
    fc.assert(
      fc.property(number, (x) => written(x) === JSON.stringify(x)),
      RUNS,
    )
  })

  it.each([
    [-0, '0'],
    [Number.NaN, 'null'],
    [Number.NEGATIVE_INFINITY, 'null'],
    [1e21, '1e+21'],
    [1e-7, '1e-7'],
    [0.000001, '0.000001'],
    [0.000012, '0.000012'],
    [-0.5, '-0.5'],
    [100.001, '100.001'],
    [0.1 + 0.2, '0.30000000000000004'],
    [123_456_789.25, '123456789.25'],
    [999_999_999.999999, '999999999.999999'],
    [0.999999999999999, '0.999999999999999'],
    [1_000_000_000, '1000000000'],
    [1_000_000_007, '1000000007'],
    [2 ** 53 - 1, '9007199254740991'],
    [2 ** 53, '9007199254740992'],
    [-Number.MAX_VALUE, '-1.7976931348623157e+308'],
    [-5e-324, '-5e-324'],
    [-2.2250738585072014e-308, '-2.2250738585072014e-308'],
  ])('of %d is %s', (x, text) => {
    expect(written(x)).toBe(text)
  })
})
