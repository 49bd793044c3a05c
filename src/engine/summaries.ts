import { addDecayed, addLeft, clearDecayed, DECAYED, halfLifeEnd } from './decayed.ts'
import type { EventBuffer } from './event-buffer.ts'
import { addPowerSums, addPowers, POWER_SUMS } from './power-sums.ts'
import { addSummary, addValues, clearSummary, SUMMARY, type ValueRange } from './summary.ts'

/** A column of which windows compute decayed sums. */
export interface Decay {
  readonly column: number
  readonly halfLifeMs: number
}

/** Which columns of events windows sum, and how. Columns by index. */
export interface SummedColumns {
  /** Columns with sums of values and squares, and extremes. */
  readonly summed: readonly number[]
  /** Columns with sums of powers. */
  readonly powered: readonly number[]
  readonly decayed: readonly Decay[]
}

/**
 * All sums over a group of events, as one row of numbers: a summary for each summed column, then
 * the sums of powers, then the decayed sums. A row can be made of events and of other rows, in any
 * grouping.
 */
export class Summaries {
  /** Numbers in a row. */
  readonly numbers: number
  readonly #summed: readonly number[]
  readonly #powered: readonly number[]
  readonly #decayed: readonly Decay[]
  /** Where the sums of powers and the decayed sums begin in a row. */
  readonly #powersAt: number
  readonly #decayedAt: number
  /** The values being added. Made once, since events are added a few at a time. */
  readonly #range: ValueRange = { data: new Float64Array(0), from: 0, upTo: 0 }
  /** In most cases there are no powers and no decay. */
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

  /** Offset of a column's summary in a row. */
  summaryOf(column: number): number {
    return this.#summed.indexOf(column) * SUMMARY
  }

  /** Offset of a column's sums of powers in a row. */
  powersOf(column: number): number {
    return this.#powersAt + this.#powered.indexOf(column) * POWER_SUMS
  }

  /** Offset of a column's decayed sum in a row. */
  decayedOf(column: number, halfLifeMs: number): number {
    const d = this.#decayed.findIndex((o) => o.column === column && o.halfLifeMs === halfLifeMs)
    return this.#decayedAt + d * DECAYED
  }

  /** Resets a row to its state without events. */
  clear(row: Float64Array): void {
    for (let s = 0; s < this.#powersAt; s += SUMMARY) clearSummary(row, s)
    if (this.#isPlain) return
    row.fill(0, this.#powersAt, this.#decayedAt)
    for (let d = this.#decayedAt; d < this.numbers; d += DECAYED) clearDecayed(row, d)
  }

  /** Adds the events from ≤ i < upTo to a row. */
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

  /** Adds the row at offset `of` to another row. */
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
      addLeft(row, this.#decayedAt + d * DECAYED, left, end)
    }
  }
}
