import { addTo } from './compensated.ts'

// Exponentially decayed sums: half is left after every half-life. An event counts with what is left
// of its value at the end of the half-life that it falls in, counted from the epoch: that depends
// on the event alone. From one such end to another a whole sum is halved an integer number of
// times, which is exact; so the grouping of events does not matter. Only the last step, to the
// reader's own time, is a power that rounds.

/** Numbers a decayed sum takes. */
export const DECAYED = 3
/**
 * Offsets: the half-life (counted from the epoch) as of whose end the sum is valid, and a
 * compensated sum.
 */
const END = 0
const SUM = 1

/** The half-life of an empty sum: so long ago that nothing would be left of any value. */
const NEVER = -(2 ** 53)
/** 2^-i; smaller powers are 0. */
const HALVES = Float64Array.from({ length: 1_075 }, (_, i) => 2 ** -i)

/** Resets a decayed sum. */
export function clearDecayed(into: Float64Array, at: number): void {
  into[at + END] = NEVER
  into[at + SUM] = 0
  into[at + SUM + 1] = 0
}

/** The end of the half-life that a time falls in, counted from the epoch. */
export function halfLifeEnd(timeMs: number, halfLifeMs: number): number {
  return Math.floor(timeMs / halfLifeMs) + 1
}

/** Adds what is left of an event's value at the end of its half-life. */
export function addLeft(into: Float64Array, at: number, left: number, end: number): void {
  addTo(into, at + SUM, left * moveTo(into, at, end))
}

/** Adds one decayed sum to another of the same half-life. */
export function addDecayed(into: Float64Array, at: number, from: Float64Array, of: number): void {
  const part = moveTo(into, at, from[of + END] as number)
  addTo(into, at + SUM, (from[of + SUM] as number) * part)
  into[at + SUM + 1] = (into[at + SUM + 1] as number) + (from[of + SUM + 1] as number) * part
}

/** The value of a decayed sum at a time that is not before its events. */
export function decayedAt(
  sums: Float64Array,
  at: number,
  timeMs: number,
  halfLifeMs: number,
): number {
  const end = halfLifeEnd(timeMs, halfLifeMs)
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const left = total * halved(end - (sums[at + END] as number))
  return left * 2 ** ((end * halfLifeMs - timeMs) / halfLifeMs)
}

/**
 * Moves a sum to the end of a half-life, if that is later than its own, and returns 1. Otherwise
 * leaves the sum and returns the fraction of a value at that end that is left at the sum's own.
 */
function moveTo(into: Float64Array, at: number, end: number): number {
  const later = end - (into[at + END] as number)
  if (later <= 0) return halved(-later)
  const part = halved(later)
  into[at + END] = end
  into[at + SUM] = (into[at + SUM] as number) * part
  into[at + SUM + 1] = (into[at + SUM + 1] as number) * part
  return 1
}

function halved(times: number): number {
  return times < HALVES.length ? (HALVES[times] as number) : 0
}
