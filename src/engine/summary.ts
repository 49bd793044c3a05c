import { addTo, squareError, sumError } from './compensated.ts'

// The sums and extremes of many values, without the values. A summary is made from values and from
// other summaries; nothing is ever subtracted.

/** Numbers a summary takes. */
export const SUMMARY = 6
/** Offset in a summary of the compensated sum, a pair. */
export const SUM = 0
/** Offset in a summary of the compensated sum of squares, a pair. */
export const SQUARES = 2
/** Offset in a summary of the smallest value. */
export const MIN = 4
/** Offset in a summary of the largest value. */
export const MAX = 5

/**
 * Relative size below which a compensated sum is noise: its precision is a little less than twice a
 * float64's.
 */
export const NOTHING = 2 ** -95

/** Sets a summary to that of no values. */
export function clearSummary(into: Float64Array, at: number): void {
  // One by one: a call does not pay off for so few.
  for (let n = at; n < at + MIN; n++) into[n] = 0
  into[at + MIN] = Number.POSITIVE_INFINITY
  into[at + MAX] = Number.NEGATIVE_INFINITY
}

/** The numbers from ≤ i < upTo. */
export interface ValueRange {
  data: Float64Array
  from: number
  upTo: number
}

/** Adds values to a summary. */
export function addValues(into: Float64Array, at: number, { data, from, upTo }: ValueRange): void {
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
 * Is the sum of this many values 0? Where values cancel out, a residue of about 2^-106 of them may
 * be left, depending on the order of the sum.
 */
export function isNothing(sums: Float64Array, at: number, count: number): boolean {
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const largest = Math.max(-(sums[at + MIN] as number), sums[at + MAX] as number)
  return Math.abs(total) <= count * largest * NOTHING
}
