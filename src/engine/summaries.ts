import { addDecayed, addLeft, clearDecayed, DECAYED, halfLifeEnd } from './decayed.ts'
import type { EventBuffer } from './event-buffer.ts'
import { addPowerSums, addPowers, POWER_SUMS } from './power-sums.ts'
import { addSummary, addValue, clearSummary, SUMMARY } from './summary.ts'

/** A column of which windows take decayed sums. */
export interface Decay {
  readonly column: number
  readonly halfLifeMs: number
}

/** Which columns of events windows sum, and how. */
export interface Summed {
  /** Sums of values and squares, and extremes. */
  readonly summed: readonly number[]
  /** Sums of powers. */
  readonly powered: readonly number[]
  readonly decayed: readonly Decay[]
}

/** Events from ≤ i < upTo. */
interface Range {
  readonly from: number
  readonly upTo: number
}

/**
 * All that is summed of events, as so many numbers in a row: of each summed column a summary, then the sums of powers, then the decayed
 * sums. Of events and of other such rows, in any grouping.
 */
export class Summaries {
  readonly numbers: number
  readonly #summed: readonly number[]
  readonly #powered: readonly number[]
  readonly #decayed: readonly Decay[]
  /** Where these begin; the ends of those before. */
  readonly #powersAt: number
  readonly #decayedAt: number
  /** Mostly there are no powers and no decay. */
  readonly #isPlain: boolean

  constructor({ summed, powered, decayed }: Summed) {
    this.#summed = summed
    this.#powered = powered
    this.#decayed = decayed
    this.#powersAt = summed.length * SUMMARY
    this.#decayedAt = this.#powersAt + powered.length * POWER_SUMS
    this.#isPlain = powered.length + decayed.length === 0
    this.numbers = this.#decayedAt + decayed.length * DECAYED
  }

  /** Where in a row a column's summary is. */
  summaryOf(column: number): number {
    return this.#summed.indexOf(column) * SUMMARY
  }

  /** Where in a row a column's sums of powers are. */
  powersOf(column: number): number {
    return this.#powersAt + this.#powered.indexOf(column) * POWER_SUMS
  }

  /** Where in a row a column's decayed sum is. */
  decayedOf(column: number, halfLifeMs: number): number {
    const d = this.#decayed.findIndex((o) => o.column === column && o.halfLifeMs === halfLifeMs)
    return this.#decayedAt + d * DECAYED
  }

  /** A row of nothing. */
  clear(into: Float64Array, at: number): void {
    const powersAt = at + this.#powersAt
    const decayedAt = at + this.#decayedAt
    for (let s = at; s < powersAt; s += SUMMARY) clearSummary(into, s)
    if (this.#isPlain) return
    into.fill(0, powersAt, decayedAt)
    for (let d = decayedAt; d < at + this.numbers; d += DECAYED) clearDecayed(into, d)
  }

  /** Adds the events from ≤ i < upTo to a row. */
  addEvents(into: Float64Array, at: number, events: EventBuffer, { from, upTo }: Range): void {
    const { data } = events
    for (let s = 0; s < this.#summed.length; s++) {
      const column = events.column(this.#summed[s] as number)
      const place = at + s * SUMMARY
      for (let i = from; i < upTo; i++) addValue(into, place, data[column + i] as number)
    }
    if (this.#isPlain) return
    for (let i = from; i < upTo; i++) this.#addRest(into, at, events, i)
  }

  /** Adds one event to a row. */
  addEvent(into: Float64Array, at: number, events: EventBuffer, index: number): void {
    const { data } = events
    for (let s = 0; s < this.#summed.length; s++) {
      const column = events.column(this.#summed[s] as number)
      addValue(into, at + s * SUMMARY, data[column + index] as number)
    }
    if (this.#isPlain) return
    this.#addRest(into, at, events, index)
  }

  /** Adds one row to another. */
  add(into: Float64Array, at: number, from: Float64Array, of: number): void {
    for (let n = 0; n < this.#powersAt; n += SUMMARY) addSummary(into, at + n, from, of + n)
    if (this.#isPlain) return
    for (let n = this.#powersAt; n < this.#decayedAt; n += POWER_SUMS) {
      addPowerSums(into, at + n, from, of + n)
    }
    for (let n = this.#decayedAt; n < this.numbers; n += DECAYED) {
      addDecayed(into, at + n, from, of + n)
    }
  }

  #addRest(into: Float64Array, at: number, events: EventBuffer, index: number): void {
    const { data } = events
    for (let p = 0; p < this.#powered.length; p++) {
      const column = events.column(this.#powered[p] as number)
      addPowers(into, at + this.#powersAt + p * POWER_SUMS, data[column + index] as number)
    }
    for (let d = 0; d < this.#decayed.length; d++) {
      const { column, halfLifeMs } = this.#decayed[d] as Decay
      const timeMs = events.timeAt(index)
      const end = halfLifeEnd(timeMs, halfLifeMs)
      const part = 2 ** ((timeMs - end * halfLifeMs) / halfLifeMs)
      const left = (data[events.column(column) + index] as number) * part
      addLeft(into, at + this.#decayedAt + d * DECAYED, left, end)
    }
  }
}
