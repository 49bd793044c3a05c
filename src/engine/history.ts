import { addTo, squareError } from './compensated.ts'
import type { Dictionary } from './dictionary.ts'
import type { Slabs } from './slabs.ts'

// The events of one key and kind that a window may still see: one buffer, in columns, sorted by (event time, arrival).
// Column 0 is the event time. Full blocks of events have summaries, so that a long window is a few additions.
// Nothing is ever subtracted: a summary is made of its events, and an event that leaves leaves with its block.

/** Events in a block. 32 to 64 cost the same (measured on windows of 10 to 10,000 events). */
export const BLOCK = 32
/** Numbers a summary keeps for each summed column. */
export const SUMMARY = 6
/** Offsets within a summary: a compensated sum, a compensated sum of squares, the extremes. */
export const SUM = 0
export const SQUARES = 2
export const MIN = 4
export const MAX = 5

const FIRST_CAPACITY = 4

/** What the buffers of one kind have in common. */
export interface Layout {
  /** Columns of an event, the event time among them. */
  readonly columns: number
  /** The columns that windows sum or take extremes of. */
  readonly summed: readonly number[]
  /** The columns that hold texts, as numbers of a dictionary. */
  readonly texts: readonly { readonly column: number; readonly dictionary: Dictionary }[]
  /** Where their numbers lie. */
  readonly slabs: Slabs
}

export class History {
  readonly key: string
  /** Column c of event i is at `column(c) + i`. Live events are start ≤ i < end. */
  data: Float64Array
  capacity = FIRST_CAPACITY
  start = 0
  end = 0
  /** Blocks 0 … sealed − 1 have summaries. */
  sealed = 0
  /** Summary of block b and summed column s at `(b * summed + s) * SUMMARY`. */
  summaries: Float64Array | null = null
  /** Event time of the newest event that has been pruned; −Infinity if none. */
  newestPrunedMs: number
  readonly #layout: Layout
  /** Where in `data` its numbers begin. */
  #base: number

  constructor(layout: Layout, key: string, newestPrunedMs: number) {
    const slab = layout.slabs.take(layout.columns * FIRST_CAPACITY)
    this.key = key
    this.data = slab.page
    this.newestPrunedMs = newestPrunedMs
    this.#layout = layout
    this.#base = slab.at
  }

  column(c: number): number {
    return this.#base + c * this.capacity
  }

  timeAt(index: number): number {
    return this.data[this.#base + index] as number
  }

  /** Live events. */
  get size(): number {
    return this.end - this.start
  }

  /** Event time of the newest event, pruned or not; −Infinity if there was none. */
  get newestMs(): number {
    return this.end > this.start ? this.timeAt(this.end - 1) : this.newestPrunedMs
  }

  /** The index after the last live event with time ≤ `timeMs`. */
  after(timeMs: number): number {
    let low = this.start
    let high = this.end
    // Mostly an event is the newest of its key, and none is to be pruned.
    if (low === high || this.timeAt(low) > timeMs) return low
    if (this.timeAt(high - 1) <= timeMs) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timeAt(middle) <= timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Event time of the newest live event at or before a time; −Infinity if there is none. */
  latestUpTo(timeMs: number): number {
    const after = this.after(timeMs)
    return after > this.start ? this.timeAt(after - 1) : Number.NEGATIVE_INFINITY
  }

  /** Enters an event behind those of the same time; `cells`: its columns after the time. */
  insert(timeMs: number, cells: ArrayLike<number>): void {
    if (this.end === this.capacity) this.#makeRoom()
    const at = this.after(timeMs)
    if (at < this.end) {
      for (let c = 0; c < this.#layout.columns; c++) {
        const column = this.column(c)
        this.data.copyWithin(column + at + 1, column + at, column + this.end)
      }
      this.sealed = Math.min(this.sealed, Math.floor(at / BLOCK))
    }
    this.data[this.#base + at] = timeMs
    for (let c = 1; c < this.#layout.columns; c++) {
      this.data[this.column(c) + at] = cells[c - 1] as number
    }
    this.end++
  }

  /** Gives its room back; it must not be used any more. */
  free(): void {
    const { columns, slabs } = this.#layout
    slabs.giveBack({ page: this.data, at: this.#base }, columns * this.capacity)
  }

  /** Drops the events at or before a time. */
  prune(cutMs: number): void {
    const upTo = this.after(cutMs)
    if (upTo === this.start) return
    for (const { column, dictionary } of this.#layout.texts) {
      const base = this.column(column)
      for (let i = this.start; i < upTo; i++) dictionary.release(this.data[base + i] as number)
    }
    this.newestPrunedMs = Math.max(this.newestPrunedMs, this.timeAt(upTo - 1))
    this.start = upTo
    if (this.start < this.end) return
    this.start = 0
    this.end = 0
    this.sealed = 0
  }

  /** Makes the summaries of full blocks that have none. */
  seal(): void {
    const { summed } = this.#layout
    const full = Math.floor(this.end / BLOCK)
    if (full <= this.sealed || summed.length === 0) return
    const size = summed.length * SUMMARY
    if (this.summaries === null || this.summaries.length < full * size) {
      const grown = new Float64Array(Math.floor(this.capacity / BLOCK) * size)
      if (this.summaries !== null) grown.set(this.summaries.subarray(0, this.sealed * size))
      this.summaries = grown
    }
    for (let block = this.sealed; block < full; block++) {
      for (let s = 0; s < summed.length; s++) {
        const at = block * size + s * SUMMARY
        clearSummary(this.summaries, at)
        const first = this.column(summed[s] as number) + block * BLOCK
        for (let i = first; i < first + BLOCK; i++)
          addValue(this.summaries, at, this.data[i] as number)
      }
    }
    this.sealed = full
  }

  #makeRoom(): void {
    // Whole blocks move together, so that summaries stay with their events.
    const shift = this.sealed > 0 ? this.start - (this.start % BLOCK) : this.start
    const inPlace = shift * 4 >= this.capacity
    const capacity = inPlace ? this.capacity : this.capacity * 2
    const { columns, slabs } = this.#layout
    const to = inPlace ? { page: this.data, at: this.#base } : slabs.take(columns * capacity)
    for (let c = 0; c < columns; c++) {
      const from = this.column(c) + shift
      const into = to.at + c * capacity
      // Number by number: most histories are short, and a view of each column costs more than its numbers.
      for (let i = 0; i < this.end - shift; i++) to.page[into + i] = this.data[from + i] as number
    }
    if (!inPlace) this.free()
    if (this.summaries !== null && shift > 0 && this.sealed > 0) this.#shiftSummaries(shift / BLOCK)
    this.data = to.page
    this.#base = to.at
    this.capacity = capacity
    this.start -= shift
    this.end -= shift
  }

  #shiftSummaries(blocks: number): void {
    const summaries = this.summaries as Float64Array
    const size = this.#layout.summed.length * SUMMARY
    const kept = Math.max(0, this.sealed - blocks)
    summaries.copyWithin(0, blocks * size, (blocks + kept) * size)
    this.sealed = kept
  }
}

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
