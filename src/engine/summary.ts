import { addTo, squareError, sumError } from './compensated.ts'

// What a window needs to know of many values, without the values. A summary is made of its values
// and of other summaries; nothing is ever subtracted.

/** Numbers a summary takes. */
export const SUMMARY = 6
/** Offsets within a summary: a compensated sum, a compensated sum of squares, the extremes. */
export const SUM = 0
export const SQUARES = 2
export const MIN = 4
export const MAX = 5

/** Digits of a sum that mean something: some less than twice a float64's. */
export const NOTHING = 2 ** -95

/** A summary of nothing. */
export function clearSummary(into: Float64Array, at: number): void {
  // One by one: so few are not worth a call.
  for (let n = at; n < at + MIN; n++) into[n] = 0
  into[at + MIN] = Number.POSITIVE_INFINITY
  into[at + MAX] = Number.NEGATIVE_INFINITY
}

/** The numbers from ≤ i < upTo. */
export interface Stretch {
  data: Float64Array
  from: number
  upTo: number
}

/** Adds values to a summary. */
export function addValues(into: Float64Array, at: number, { data, from, upTo }: Stretch): void {
  let sum = into[at + SUM] as number
  let sumRest = into[at + SUM + 1] as number
  let squares = into[at + SQUARES] as number
  let squaresRest = into[at + SQUARES + 1] as number
  let min = into[at + MIN] as number
  let max = into[at + MAX] as number
  for (let i = from; i < upTo; i++) {
    const value = data[i] as number
    const moreSum = sum + value
    sumRest += sumError(sum, value, moreSum)
    sum = moreSum
    const square = value * value
    const moreSquares = squares + square
    squaresRest += sumError(squares, square, moreSquares)
    squaresRest += squareError(value, square)
    squares = moreSquares
    if (value < min) min = value
    if (value > max) max = value
  }
  into[at + SUM] = sum
  into[at + SUM + 1] = sumRest
  into[at + SQUARES] = squares
  into[at + SQUARES + 1] = squaresRest
  into[at + MIN] = min
  into[at + MAX] = max
}

/** Adds one summary to another. */
export function addSummary(into: Float64Array, at: number, from: Float64Array, of: number): void {
  addTo(into, at + SUM, from[of + SUM] as number)
  into[at + SUM + 1] = (into[at + SUM + 1] as number) + (from[of + SUM + 1] as number)
  addTo(into, at + SQUARES, from[of + SQUARES] as number)
  into[at + SQUARES + 1] = (into[at + SQUARES + 1] as number) + (from[of + SQUARES + 1] as number)
  into[at + MIN] = Math.min(into[at + MIN] as number, from[of + MIN] as number)
  into[at + MAX] = Math.max(into[at + MAX] as number, from[of + MAX] as number)
}

/**
 * Is the sum of so many values 0? Of values that cancel out, a rest of some 2^-106 of them may
 * stay, by the order of the sum.
 */
export function isNothing(sums: Float64Array, at: number, count: number): boolean {
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const largest = Math.max(-(sums[at + MIN] as number), sums[at + MAX] as number)
  return Math.abs(total) <= count * largest * NOTHING
}
