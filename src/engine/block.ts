import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { insertOrdered, removeOrdered } from './ordered.ts'

/** Events that a window takes together, with the values of some columns in order. */
export interface Whole {
  readonly data: Float64Array
  /** Events in it. */
  readonly size: number
  /** Where in `data` the values of ordered column o begin. */
  orderedAt(o: number): number
}

/**
 * A block of a long history. Behind the columns of an event are its links: for each text column
 * that is counted distinct the time at which the event's text occurred before, −Infinity if it did
 * not. A block of which no event has been pruned is whole: it also has columns in order.
 */
export class Block extends EventBuffer implements Whole {
  readonly #layout: Layout

  constructor(layout: Layout) {
    super(layout.slabs, layout.slabs.take(layout.blockNumbers), layout.sizes.block)
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
   * The index of the first event from an index on that has this number in a column; −1 if none has.
   */
  find(column: number, wanted: number, from: number): number {
    const base = this.column(column)
    for (let i = Math.max(from, this.start); i < this.end; i++) {
      if (this.data[base + i] === wanted) return i
    }
    return -1
  }

  /** Enters an event; there must be room. `cells`: its columns after the time, and its links. */
  insert(at: number, timeMs: number, cells: ArrayLike<number>): void {
    const { ordered, width } = this.#layout
    for (let o = 0; o < ordered.length && this.isWhole; o++) {
      const value = cells[(ordered[o] as number) - 1] as number
      insertOrdered(this.data, this.orderedAt(o), this.size, value)
    }
    this.enter(at, timeMs, cells, width)
  }

  /** Changes the link of an event for `distinct[d]` to a later time; gives what it was. */
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

  /** Drops the events from an index on, and the room before the first. */
  truncate(end: number): void {
    for (let c = 0; c < this.#layout.width; c++) {
      const base = this.column(c)
      this.data.copyWithin(base, base + this.start, base + end)
    }
    this.end = end - this.start
    this.start = 0
  }

  /** Puts the ordered columns in order. */
  order(): void {
    const { ordered } = this.#layout
    for (let o = 0; o < ordered.length; o++) {
      const column = this.column(ordered[o] as number)
      for (let i = 0; i < this.end; i++) {
        insertOrdered(this.data, this.orderedAt(o), i, this.data[column + i] as number)
      }
    }
  }

  /** Gives its room back; it must not be used any more. */
  free(): void {
    this.#layout.slabs.giveBack(this.place, this.#layout.blockNumbers)
  }
}

/** Puts one value of an ordered column in another's place. */
export function replaceOrdered(whole: Whole, o: number, gone: number, value: number): void {
  const from = whole.orderedAt(o)
  removeOrdered(whole.data, from, whole.size, gone)
  insertOrdered(whole.data, from, whole.size - 1, value)
}
