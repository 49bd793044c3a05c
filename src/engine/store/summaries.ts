import type { Deviations } from '../../topology/aggregates.ts'
import { addTo, addToTriple, productError, sumError } from './compensated.ts'
import type { EventBuffer } from './event-buffer.ts'

export interface Decay {
  readonly column: number
  readonly halfLifeMs: number
}

export interface SummedColumns {
  /** Sums of values and squares, and extremes. */
  readonly summed: readonly number[]
  /** Sums of powers. */
  readonly powered: readonly number[]
  readonly decayed: readonly Decay[]
}

/** A row of sums over events: summaries, powers, decayed sums. Nothing is ever subtracted. */
export class Summaries {
  readonly numbers: number
  readonly #summed: readonly number[]
  readonly #powered: readonly number[]
  readonly #decayed: readonly Decay[]
  /** Offsets in a row. */
  readonly #powersAt: number
  readonly #decayedAt: number
  /** The values being added. Made once, because events are added a few at a time. */
  readonly #range: ValueRange = { data: new Float64Array(0), from: 0, upTo: 0 }
  /** Mostly there are no powers and no decay. */
  readonly #isPlain: boolean

  constructor({ summed, powered, decayed }: SummedColumns) {
    this.#summed = summed
    this.#powered = powered
    this.#decayed = decayed
    this.#powersAt = summed.length * SUMMARY
    this.#decayedAt = this.#powersAt + powered.length * POWER_SUMS
    this.#isPlain = powered.length + decayed.length === 0
    this.numbers = this.#decayedAt + decayed.length * DECAYED
  }

  summaryOf(column: number): number {
    return this.#summed.indexOf(column) * SUMMARY
  }

  powersOf(column: number): number {
    return this.#powersAt + this.#powered.indexOf(column) * POWER_SUMS
  }

  decayedOf(column: number, halfLifeMs: number): number {
    const d = this.#decayed.findIndex((o) => o.column === column && o.halfLifeMs === halfLifeMs)
    return this.#decayedAt + d * DECAYED
  }

  clear(row: Float64Array): void {
    for (let s = 0; s < this.#powersAt; s += SUMMARY) clearSummary(row, s)
    if (this.#isPlain) return
    row.fill(0, this.#powersAt, this.#decayedAt)
    for (let d = this.#decayedAt; d < this.numbers; d += DECAYED) clearDecayed(row, d)
  }

  addEvents(row: Float64Array, events: EventBuffer, from: number, upTo: number): void {
    const range = this.#range
    range.data = events.data
    for (let s = 0; s < this.#summed.length; s++) {
      const column = events.column(this.#summed[s] as number)
      range.from = column + from
      range.upTo = column + upTo
      addValues(row, s * SUMMARY, range)
    }
    if (this.#isPlain) return
    for (let i = from; i < upTo; i++) {
      this.#addPowers(row, events, i)
      this.#addDecaying(row, events, i)
    }
  }

  add(row: Float64Array, from: Float64Array, of: number): void {
    for (let n = 0; n < this.#powersAt; n += SUMMARY) addSummary(row, n, from, of + n)
    if (this.#isPlain) return
    for (let n = this.#powersAt; n < this.#decayedAt; n += POWER_SUMS) {
      addPowerSums(row, n, from, of + n)
    }
    for (let n = this.#decayedAt; n < this.numbers; n += DECAYED) {
      addDecayed(row, n, from, of + n)
    }
  }

  #addPowers(row: Float64Array, events: EventBuffer, index: number): void {
    for (let p = 0; p < this.#powered.length; p++) {
      const column = events.column(this.#powered[p] as number)
      addPowers(row, this.#powersAt + p * POWER_SUMS, events.data[column + index] as number)
    }
  }

  #addDecaying(row: Float64Array, events: EventBuffer, index: number): void {
    const timeMs = events.timeAt(index)
    for (let d = 0; d < this.#decayed.length; d++) {
      const { column, halfLifeMs } = this.#decayed[d] as Decay
      const value = events.data[events.column(column) + index] as number
      const end = halfLifeEnd(timeMs, halfLifeMs)
      const left = value * 2 ** ((timeMs - end * halfLifeMs) / halfLifeMs)
      const at = this.#decayedAt + d * DECAYED
      addTo(row, at + DECAYED_SUM, left * moveTo(row, at, end))
    }
  }
}

/** Numbers of a summary: the sums and extremes of many values. */
export const SUMMARY = 6
/** Offsets in a summary. The sums are compensated pairs. */
export const SUM = 0
export const SQUARES = 2
export const MIN = 4
export const MAX = 5

/** Relative size of noise in a compensated sum: a little more than a float64's, squared. */
const NOTHING = 2 ** -95

export function clearSummary(into: Float64Array, at: number): void {
  // One by one: a call does not pay off for so few.
  for (let n = at; n < at + MIN; n++) into[n] = 0
  into[at + MIN] = Number.POSITIVE_INFINITY
  into[at + MAX] = Number.NEGATIVE_INFINITY
}

interface ValueRange {
  data: Float64Array
  from: number
  upTo: number
}

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
    squaresRest += productError(value, value, square)
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

export function addSummary(into: Float64Array, at: number, from: Float64Array, of: number): void {
  addTo(into, at + SUM, from[of + SUM] as number)
  into[at + SUM + 1] = (into[at + SUM + 1] as number) + (from[of + SUM + 1] as number)
  addTo(into, at + SQUARES, from[of + SQUARES] as number)
  into[at + SQUARES + 1] = (into[at + SQUARES + 1] as number) + (from[of + SQUARES + 1] as number)
  into[at + MIN] = Math.min(into[at + MIN] as number, from[of + MIN] as number)
  into[at + MAX] = Math.max(into[at + MAX] as number, from[of + MAX] as number)
}

/** Values that cancel out may leave about 2^-106 of them, depending on their order. */
export function isNothing(sums: Float64Array, at: number, count: number): boolean {
  const total = (sums[at + SUM] as number) + (sums[at + SUM + 1] as number)
  const largest = Math.max(-(sums[at + MIN] as number), sums[at + MAX] as number)
  return Math.abs(total) <= count * largest * NOTHING
}

// Decayed sums: half is left after every half-life. An event counts with what is left of its value
// at the end of its half-life, counted from the epoch, which depends on the event alone. From one
// such end to another a sum is halved an integer number of times, which is exact, so grouping does
// not matter. Only the last step, to the reader's time, is a power that rounds.

const DECAYED = 3
/** Offsets: the half-life at whose end the sum is valid, and a compensated sum. */
const DECAYED_END = 0
const DECAYED_SUM = 1

/** The half-life of an empty sum: nothing would be left of any value. */
const NEVER = -(2 ** 53)
/** 2^-i; smaller powers are 0. */
const HALVES = Float64Array.from({ length: 1_075 }, (_, i) => 2 ** -i)

function clearDecayed(into: Float64Array, at: number): void {
  into[at + DECAYED_END] = NEVER
  into[at + DECAYED_SUM] = 0
  into[at + DECAYED_SUM + 1] = 0
}

/** The end of a time's half-life, in half-lives since the epoch. */
function halfLifeEnd(timeMs: number, halfLifeMs: number): number {
  return Math.floor(timeMs / halfLifeMs) + 1
}

function addDecayed(into: Float64Array, at: number, from: Float64Array, of: number): void {
  const part = moveTo(into, at, from[of + DECAYED_END] as number)
  addTo(into, at + DECAYED_SUM, (from[of + DECAYED_SUM] as number) * part)
  into[at + DECAYED_SUM + 1] =
    (into[at + DECAYED_SUM + 1] as number) + (from[of + DECAYED_SUM + 1] as number) * part
}

/** The value of a sum at a time that is not before its events. */
export function decayedAt(
  sums: Float64Array,
  at: number,
  timeMs: number,
  halfLifeMs: number,
): number {
  const end = halfLifeEnd(timeMs, halfLifeMs)
  const total = (sums[at + DECAYED_SUM] as number) + (sums[at + DECAYED_SUM + 1] as number)
  const left = total * halved(end - (sums[at + DECAYED_END] as number))
  return left * 2 ** ((end * halfLifeMs - timeMs) / halfLifeMs)
}

/** Moves a sum to a later end. @returns what is left of a value there: 1, or less in a later sum */
function moveTo(into: Float64Array, at: number, end: number): number {
  const later = end - (into[at + DECAYED_END] as number)
  if (later <= 0) return halved(-later)
  const part = halved(later)
  into[at + DECAYED_END] = end
  into[at + DECAYED_SUM] = (into[at + DECAYED_SUM] as number) * part
  into[at + DECAYED_SUM + 1] = (into[at + DECAYED_SUM + 1] as number) * part
  return 1
}

function halved(times: number): number {
  return times < HALVES.length ? (HALVES[times] as number) : 0
}

// Sums of powers, from which those of the deviations from the mean are derived on demand. Where the
// mean is k times the deviation, this cancels leading digits of a fourth power by a factor of k^4.
// Twice a float64's precision is right as a float32 up to k = 500,000, which a pressure or a
// balance may have; three times, up to 1e9.

/** Numbers per power: each holds the rounding error of the one before it. */
const TRIPLE = 3
const POWERS = 4
export const POWER_SUMS = POWERS * TRIPLE

export function addPowers(into: Float64Array, at: number, value: number): void {
  const square = value * value
  const rest = productError(value, value, square)
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

export function addPowerSums(into: Float64Array, at: number, from: Float64Array, of: number): void {
  for (let i = 0; i < POWER_SUMS; i += TRIPLE) {
    addToTriple(into, at + i, from[of + i] as number)
    addTo(into, at + i + 1, from[of + i + 1] as number)
    into[at + i + 2] = (into[at + i + 2] as number) + (from[of + i + 2] as number)
  }
}

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
    // Equal values do not deviate at all, not even by 1e-32. Cubes that cancel out leave a residue
    // that depends on the order of the sums.
    const differ = range > 0
    const cubes = this.#total(3)
    this.squares = differ ? this.#total(2) : 0
    this.cubes = !differ || Math.abs(cubes) <= count * range ** 3 * NOTHING ? 0 : cubes
    this.fourths = differ ? this.#total(4) : 0
  }

  /** Subtracts c: Σxᵏ⁻¹(x − c) is Σxᵏ − cΣxᵏ⁻¹, as Horner's rule shifts a polynomial. */
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

function addProduct(into: Float64Array, at: number, a: number, b: number): void {
  const product = a * b
  addToTriple(into, at, product)
  addTo(into, at + 1, productError(a, b, product))
}

/** Adds a product that is at most as large as the triple's rounding error. */
function addLowProduct(into: Float64Array, at: number, a: number, b: number): void {
  const product = a * b
  addTo(into, at + 1, product)
  into[at + 2] = (into[at + 2] as number) + productError(a, b, product)
}
