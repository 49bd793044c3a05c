import type { Deviations } from '../topology/aggregates/rule.ts'
import { addTerm, productError, squareError } from './compensated.ts'
import { NOTHING } from './summary.ts'

// Sums of values, their squares, cubes and fourth powers, from which the sums of the powers of the deviations from their mean are made
// once they are asked for. Where the mean is k times the deviation, that leaves of a fourth power's digits those beyond k^4: twice a
// float64's are too few from k = 500,000 on, and four times as many are enough as long as the values themselves differ.

/** Of each power, from 1 on, a sum in so many numbers: what each loses is in the next one. */
const LIMBS = 4
const POWERS = 4
/** Numbers that the sums take. */
export const POWER_SUMS = POWERS * LIMBS

/** Adds the powers of a value. */
export function addPowers(into: Float64Array, at: number, value: number): void {
  const square = value * value
  const rest = squareError(value, square)
  const squares = at + LIMBS
  const cubes = squares + LIMBS
  const fourths = cubes + LIMBS
  addTerm(into, at, LIMBS, value)
  addTerm(into, squares, LIMBS, square)
  addTerm(into, squares, LIMBS, rest)
  addProduct(into, cubes, value, square)
  addProduct(into, cubes, value, rest)
  addProduct(into, fourths, square, square)
  addProduct(into, fourths, 2 * square, rest)
  addProduct(into, fourths, rest, rest)
}

/** Adds sums to others. */
export function addPowerSums(into: Float64Array, at: number, from: Float64Array, of: number): void {
  for (let row = 0; row < POWER_SUMS; row += LIMBS) {
    for (let limb = 0; limb < LIMBS; limb++) {
      addTerm(into, at + row + limb, LIMBS - limb, from[of + row + limb] as number)
    }
  }
}

/** Makes of sums of powers those of the deviations from the mean. */
export class Moments implements Deviations {
  squares = 0
  cubes = 0
  fourths = 0
  /** A row for each power from 0 on. */
  readonly #rows = new Float64Array(LIMBS + POWER_SUMS)

  /** @param range of the values: the largest less the least */
  take(count: number, range: number, sums: Float64Array, at: number): void {
    const rows = this.#rows
    rows.fill(0, 0, LIMBS)
    rows[0] = count
    for (let i = 0; i < POWER_SUMS; i++) rows[LIMBS + i] = sums[at + i] as number
    // From the mean, and from what rounding took of it.
    this.#shift(this.#total(1) / count)
    this.#shift(this.#total(1) / count)
    const cubes = this.#total(3)
    this.squares = range === 0 ? 0 : this.#total(2)
    this.cubes = Math.abs(cubes) <= count * range ** 3 * NOTHING ? 0 : cubes
    this.fourths = this.#total(4)
  }

  /** Takes a number off all values: Σxᵏ⁻¹(x − c) is Σxᵏ − cΣxᵏ⁻¹, and so on, a Taylor shift by Horner's rule. */
  #shift(by: number): void {
    const rows = this.#rows
    for (let shifted = 1; shifted <= POWERS; shifted++) {
      for (let power = POWERS; power >= shifted; power--) {
        const row = power * LIMBS
        for (let limb = 0; limb < LIMBS; limb++) {
          addProduct(rows, row, -by, rows[row - LIMBS + limb] as number)
        }
      }
    }
  }

  /** Of a power, rounded once: what each number lacks is brought up from below. */
  #total(power: number): number {
    const rows = this.#rows
    const at = power * LIMBS
    for (let pass = 1; pass < LIMBS; pass++) {
      for (let i = at + LIMBS - 1; i > at; i--) {
        const low = rows[i] as number
        rows[i] = 0
        addTerm(rows, i - 1, 2, low)
      }
    }
    return (rows[at] as number) + (rows[at + 1] as number)
  }
}

function addProduct(into: Float64Array, at: number, a: number, b: number): void {
  const product = a * b
  addTerm(into, at, LIMBS, product)
  addTerm(into, at, LIMBS, productError(a, b, product))
}
