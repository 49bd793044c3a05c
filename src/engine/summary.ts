import { addTo, squareError } from './compensated.ts'

// What a window needs to know of many values, without the values. A summary is made of its values and of other summaries;
// nothing is ever subtracted.

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
  into.fill(0, at, at + MIN)
  into[at + MIN] = Number.POSITIVE_INFINITY
  into[at + MAX] = Number.NEGATIVE_INFINITY
}

/** Adds one value to a summary. */
export function addValue(into: Float64Array, at: number, value: number): void {
  addTo(into, at + SUM, value)
  const square = value * value
  addTo(into, at + SQUARES, square)
  into[at + SQUARES + 1] = (into[at + SQUARES + 1] as number) + squareError(value, square)
  if (value < (into[at + MIN] as number)) into[at + MIN] = value
  if (value > (into[at + MAX] as number)) into[at + MAX] = value
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

/** Is the sum of so many values 0? Of values that cancel out, a rest of some 2^-106 of them may stay, by the order of the sum. */
export function isNothing(sums: Float64Array, at: number, count: number): boolean {
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const largest = Math.max(-(sums[at + MIN] as number), sums[at + MAX] as number)
  return Math.abs(total) <= count * largest * NOTHING
}
