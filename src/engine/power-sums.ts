import type { Deviations } from '../topology/aggregates.ts'
import { addTo, addToTriple, productError, squareError } from './compensated.ts'
import { NOTHING } from './summary.ts'

// Sums of values, their squares, cubes and fourth powers. The sums of the powers of the deviations
// from the mean are derived from them on demand. Where the mean is k times the deviation, this
// cancels the leading digits of a fourth power, by a factor of k^4. In twice a float64's precision
// the result is right as a float32 up to k = 500,000, which a pressure or a balance may have; in
// three times the precision, up to 1e9.

/** Numbers per sum of a power: each holds the rounding error of the one before it. */
const TRIPLE = 3
const POWERS = 4
/** Numbers that the sums of all powers take. */
export const POWER_SUMS = POWERS * TRIPLE

/** Adds the powers of a value. */
export function addPowers(into: Float64Array, at: number, value: number): void {
  const square = value * value
  const rest = squareError(value, square)
  const squares = at + TRIPLE
  const cubes = squares + TRIPLE
  const fourths = cubes + TRIPLE
  addToTriple(into, at, value)
  addToTriple(into, squares, square)
  addTo(into, squares + 1, rest)
  addProduct(into, cubes, value, square)
  addLowProduct(into, cubes, value, rest)
  addProduct(into, fourths, square, square)
  addLowProduct(into, fourths, 2 * square, rest)
  into[fourths + 2] = (into[fourths + 2] as number) + rest * rest
}

/** Adds sums to others. */
export function addPowerSums(into: Float64Array, at: number, from: Float64Array, of: number): void {
  for (let i = 0; i < POWER_SUMS; i += TRIPLE) {
    addToTriple(into, at + i, from[of + i] as number)
    addTo(into, at + i + 1, from[of + i + 1] as number)
    into[at + i + 2] = (into[at + i + 2] as number) + (from[of + i + 2] as number)
  }
}

/** Derives the sums of powers of the deviations from the mean from the sums of powers. */
export class Moments implements Deviations {
  squares = 0
  cubes = 0
  fourths = 0
  /** A triple for each power from 0 on. */
  readonly #sums = new Float64Array(TRIPLE + POWER_SUMS)

  /** @param range largest value minus smallest value */
  set(count: number, range: number, from: Float64Array, at: number): void {
    const sums = this.#sums
    sums.fill(0, 0, TRIPLE)
    sums[0] = count
    for (let i = 0; i < POWER_SUMS; i++) sums[TRIPLE + i] = from[at + i] as number
    // Shifts by the mean, then by the mean's rounding error.
    this.#shift(this.#total(1) / count)
    this.#shift(this.#total(1) / count)
    // Equal values do not deviate at all, not even by 1e-32; and cubes that cancel out leave a
    // residue that depends on the order of the sums.
    const differ = range > 0
    const cubes = this.#total(3)
    this.squares = differ ? this.#total(2) : 0
    this.cubes = !differ || Math.abs(cubes) <= count * range ** 3 * NOTHING ? 0 : cubes
    this.fourths = differ ? this.#total(4) : 0
  }

  /**
   * Subtracts a number from all values: Σxᵏ⁻¹(x − c) is Σxᵏ − cΣxᵏ⁻¹, and so on, as Horner's rule
   * shifts a polynomial.
   */
  #shift(by: number): void {
    const sums = this.#sums
    for (let shifted = 1; shifted <= POWERS; shifted++) {
      for (let power = POWERS; power >= shifted; power--) {
        const at = power * TRIPLE
        const below = at - TRIPLE
        addProduct(sums, at, -by, sums[below] as number)
        addLowProduct(sums, at, -by, sums[below + 1] as number)
        sums[at + 2] = (sums[at + 2] as number) - by * (sums[below + 2] as number)
      }
    }
  }

  /** The sum of a power, after the errors have been carried up into it. */
  #total(power: number): number {
    const at = power * TRIPLE
    for (let pass = 1; pass < TRIPLE; pass++) {
      this.#carry(at + 1)
      this.#carry(at)
    }
    return (this.#sums[at] as number) + (this.#sums[at + 1] as number)
  }

  #carry(at: number): void {
    const below = this.#sums[at + 1] as number
    this.#sums[at + 1] = 0
    addTo(this.#sums, at, below)
  }
}

/** Adds a product to a triple. */
function addProduct(into: Float64Array, at: number, a: number, b: number): void {
  const product = a * b
  addToTriple(into, at, product)
  addTo(into, at + 1, productError(a, b, product))
}

/** Adds a product to a triple whose magnitude is at most that of the triple's rounding error. */
function addLowProduct(into: Float64Array, at: number, a: number, b: number): void {
  const product = a * b
  addTo(into, at + 1, product)
  into[at + 2] = (into[at + 2] as number) + productError(a, b, product)
}
