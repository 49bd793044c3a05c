import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { insertOrdered, removeOrdered } from './ordered.ts'

/** Events that a window adds at once, with the values of some columns in order. */
export interface Whole {
  readonly data: Float64Array
  /** Number of events. */
  readonly size: number
  /** Offset in `data` of the values of ordered column o. */
  orderedAt(o: number): number
}

/**
 * A block of a long history. The columns of an event are followed by its links: for each text
 * column that is counted distinct, the time at which the event's text occurred before, or −Infinity
 * if it did not. A block of which no event has been pruned is whole: it also has columns in order.
 */
export class Block extends EventBuffer implements Whole {
  readonly #layout: Layout

  constructor(layout: Layout) {
    super(layout.slabs, layout.slabs.allocate(layout.blockNumbers), layout.sizes.block)
    this.#layout = layout
  }

  get size(): number {
    return this.end - this.start
  }

  get isWhole(): boolean {
    return this.start === 0
  }

  orderedAt(o: number): number {
    return this.column(this.#layout.width + o)
  }

  /**
   * The index of the first event, from a given index on, that has this number in a column; −1 if
   * none has.
   */
  find(column: number, wanted: number, from: number): number {
    const base = this.column(column)
    for (let i = Math.max(from, this.start); i < this.end; i++) {
      if (this.data[base + i] === wanted) return i
    }
    return -1
  }

  /** Inserts an event; there must be room. `cells`: its columns after the time, and its links. */
  insert(at: number, timeMs: number, cells: ArrayLike<number>): void {
    const { ordered, width } = this.#layout
    for (let o = 0; o < ordered.length && this.isWhole; o++) {
      const value = cells[(ordered[o] as number) - 1] as number
      insertOrdered(this.data, this.orderedAt(o), this.size, value)
    }
    this.enter(at, timeMs, cells, width)
  }

  /** Changes the link of an event for `distinct[d]` to a later time. Returns the old link. */
  relink(d: number, at: number, timeMs: number): number {
    const { columns, ranked } = this.#layout
    const index = this.column(columns + d) + at
    const before = this.data[index] as number
    this.data[index] = timeMs
    if (this.isWhole) replaceOrdered(this, ranked.length + d, before, timeMs)
    return before
  }

  /** Copies events and their first `columns` columns into this empty block. */
  fill(from: EventBuffer, { start, end }: { start: number; end: number }, columns: number): void {
    this.end = end - start
    for (let c = 0; c < columns; c++) {
      const source = from.column(c) + start
      const column = this.column(c)
      for (let i = 0; i < this.end; i++) this.data[column + i] = from.data[source + i] as number
    }
  }

  /** Drops the events from an index on, and the room before the first event. */
  truncate(end: number): void {
    for (let c = 0; c < this.#layout.width; c++) {
      const base = this.column(c)
      this.data.copyWithin(base, base + this.start, base + end)
    }
    this.end = end - this.start
    this.start = 0
  }

  /** Sorts the ordered columns. */
  order(): void {
    const { ordered } = this.#layout
    for (let o = 0; o < ordered.length; o++) {
      const column = this.column(ordered[o] as number)
      for (let i = 0; i < this.end; i++) {
        insertOrdered(this.data, this.orderedAt(o), i, this.data[column + i] as number)
      }
    }
  }

  /** Returns its memory to the slabs; the block must not be used afterwards. */
  free(): void {
    this.#layout.slabs.giveBack(this.place, this.#layout.blockNumbers)
  }
}

/** Replaces one value of an ordered column by another. */
export function replaceOrdered(whole: Whole, o: number, gone: number, value: number): void {
  const from = whole.orderedAt(o)
  removeOrdered(whole.data, from, whole.size, gone)
  insertOrdered(whole.data, from, whole.size - 1, value)
}
