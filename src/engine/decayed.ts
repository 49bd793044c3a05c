import { addTo } from './compensated.ts'

// Sums of which half is left after every half-life. An event counts with what is left of its value
// at the end of the half-life that it falls in, counted from the epoch: that depends on the event
// alone. From one such end to another all of a sum halves so many times, which is exact; so it does
// not matter how events are grouped. Only what is left at a reader's own time is a power that
// rounds.

/** Numbers a decayed sum takes. */
export const DECAYED = 3
/** Offsets: the half-life at whose end it stands, counted from the epoch, and a compensated sum. */
const STANDS = 0
const SUM = 1

/** Where nothing stands: so long ago that of anything nothing is left. */
const NEVER = -(2 ** 53)
/** 2^-i; beyond there is none. */
const HALVES = Float64Array.from({ length: 1_075 }, (_, i) => 2 ** -i)

/** A decayed sum of nothing. */
export function clearDecayed(into: Float64Array, at: number): void {
  into[at + STANDS] = NEVER
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
  const part = moveTo(into, at, from[of + STANDS] as number)
  addTo(into, at + SUM, (from[of + SUM] as number) * part)
  into[at + SUM + 1] = (into[at + SUM + 1] as number) + (from[of + SUM + 1] as number) * part
}

/** What is left of a decayed sum at a time, not before its events. */
export function decayedAt(
  sums: Float64Array,
  at: number,
  timeMs: number,
  halfLifeMs: number,
): number {
  const end = halfLifeEnd(timeMs, halfLifeMs)
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const left = total * halved(end - (sums[at + STANDS] as number))
  return left * 2 ** ((end * halfLifeMs - timeMs) / halfLifeMs)
}

/**
 * Lets a sum stand at an end, if that is later than its own; else gives what is left at its own of
 * what stands at the other.
 */
function moveTo(into: Float64Array, at: number, end: number): number {
  const later = end - (into[at + STANDS] as number)
  if (later <= 0) return halved(-later)
  const part = halved(later)
  into[at + STANDS] = end
  into[at + SUM] = (into[at + SUM] as number) * part
  into[at + SUM + 1] = (into[at + SUM + 1] as number) * part
  return 1
}

function halved(times: number): number {
  return times < HALVES.length ? (HALVES[times] as number) : 0
}
