import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { insertOrdered, removeOrdered } from './quantiles.ts'
import { atOf } from './slabs.ts'
import type { Summaries } from './summaries.ts'

/** A block or a group of blocks that a window adds at once, with some columns in order. */
export interface Whole {
  readonly data: Float64Array
  readonly size: number
  orderedAt(o: number): number
}

/**
 * After its columns, an event has a link for each of `distinct`: the time at which its text
 * occurred before. The ordered columns are valid only in a whole block, from which none was pruned.
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

  /** The first event at or after an index that has this number in a column; −1: there is none. */
  find(column: number, wanted: number, from: number): number {
    const base = this.column(column)
    for (let i = Math.max(from, this.start); i < this.end; i++) {
      if (this.data[base + i] === wanted) return i
    }
    return -1
  }

  /** There must be room. @param cells its columns after the time, and its links */
  insert(at: number, timeMs: number, cells: ArrayLike<number>): void {
    const { ordered, width } = this.#layout
    for (let o = 0; o < ordered.length && this.isWhole; o++) {
      const value = cells[(ordered[o] as number) - 1] as number
      insertOrdered(this.data, this.orderedAt(o), this.size, value)
    }
    this.enter(at, timeMs, cells, width)
  }

  /** Changes an event's link for `distinct[d]` to a later time. @returns the link before */
  relink(d: number, at: number, timeMs: number): number {
    const { columns, ranked } = this.#layout
    const index = this.column(columns + d) + at
    const before = this.data[index] as number
    this.data[index] = timeMs
    if (this.isWhole) replaceOrdered(this, ranked.length + d, before, timeMs)
    return before
  }

  fill(from: EventBuffer, { start, end }: { start: number; end: number }, columns: number): void {
    this.end = end - start
    for (let c = 0; c < columns; c++) {
      const source = from.column(c) + start
      const column = this.column(c)
      for (let i = 0; i < this.end; i++) this.data[column + i] = from.data[source + i] as number
    }
  }

  /** Drops the events from an index on, and the unused room before the first event. */
  truncate(end: number): void {
    for (let c = 0; c < this.#layout.width; c++) {
      const base = this.column(c)
      this.data.copyWithin(base, base + this.start, base + end)
    }
    this.end = end - this.start
    this.start = 0
  }

  order(): void {
    const { ordered } = this.#layout
    for (let o = 0; o < ordered.length; o++) {
      const column = this.column(ordered[o] as number)
      for (let i = 0; i < this.end; i++) {
        insertOrdered(this.data, this.orderedAt(o), i, this.data[column + i] as number)
      }
    }
  }

  free(): void {
    this.#layout.slabs.giveBack(this.place, this.#layout.blockNumbers)
  }
}

function replaceOrdered(whole: Whole, o: number, gone: number, value: number): void {
  const from = whole.orderedAt(o)
  removeOrdered(whole.data, from, whole.size, gone)
  insertOrdered(whole.data, from, whole.size - 1, value)
}

const FIRST_CAPACITY = 4
/** Offsets within a row. The block's sums begin at `SUMS`. */
const OLDEST = 0
const COUNT = 1
const SUMS = 2

const NOTHING = new Float64Array(0)

/** Consecutive blocks, with a row of sums for each: a walk over many need not touch the blocks. */
export class Group implements Whole {
  readonly blocks: Block[] = []
  /** Events in the seal; 0: not sealed. */
  size = 0
  readonly #layout: Layout
  readonly #summaries: Summaries
  readonly #rowSize: number
  #place: number
  #page: Float64Array
  #base: number
  #capacity = FIRST_CAPACITY
  #sealPlace = 0
  #seal: Float64Array = NOTHING
  #sealBase = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.#summaries = layout.summaries
    this.#rowSize = SUMS + layout.summaries.numbers
    this.#place = layout.slabs.allocate(this.#rowNumbers)
    this.#page = layout.slabs.pageOf(this.#place)
    this.#base = atOf(this.#place)
  }

  get isSealed(): boolean {
    return this.size > 0
  }

  get data(): Float64Array {
    return this.#seal
  }

  orderedAt(o: number): number {
    const { sizes } = this.#layout
    return this.#sealBase + this.#summaries.numbers + o * sizes.block * sizes.group
  }

  /** Event time of a block's oldest event; −Infinity: the block is not whole. */
  oldestMs(b: number): number {
    return this.#page[this.#rowAt(b) + OLDEST] as number
  }

  /** The last block that begins at or before a time, or else the first block. */
  placeOf(timeMs: number): number {
    let low = 0
    let high = this.blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.oldestMs(middle) <= timeMs) low = middle
      else high = middle - 1
    }
    return low
  }

  countOf(b: number): number {
    return this.#page[this.#rowAt(b) + COUNT] as number
  }

  addBlockTo(sums: Float64Array, b: number): void {
    this.#summaries.add(sums, this.#page, this.#rowAt(b) + SUMS)
  }

  addAllTo(sums: Float64Array): void {
    this.#summaries.add(sums, this.#seal, this.#sealBase)
  }

  put(b: number, block: Block): void {
    if (this.blocks.length === this.#capacity) this.#grow()
    const at = this.#rowAt(b)
    const end = this.#rowAt(this.blocks.length)
    this.#page.copyWithin(at + this.#rowSize, at, end)
    this.blocks.splice(b, 0, block)
    this.sum(b)
  }

  shift(): void {
    this.unseal()
    this.#page.copyWithin(this.#rowAt(0), this.#rowAt(1), this.#rowAt(this.blocks.length))
    this.blocks.shift()?.free()
  }

  sum(b: number): void {
    const page = this.#page
    const block = this.blocks[b] as Block
    const row = this.#rowAt(b)
    page[row + OLDEST] = block.isWhole ? block.timeAt(0) : Number.NEGATIVE_INFINITY
    page[row + COUNT] = block.size
    const sums = this.#sumsOf(page, row + SUMS)
    this.#summaries.clear(sums)
    this.#summaries.addEvents(sums, block, block.start, block.end)
  }

  pruned(b: number): void {
    this.unseal()
    this.#page[this.#rowAt(b) + OLDEST] = Number.NEGATIVE_INFINITY
  }

  entered(b: number, at: number): void {
    const { ordered } = this.#layout
    const block = this.blocks[b] as Block
    if (!block.isWhole) return
    const page = this.#page
    const row = this.#rowAt(b)
    page[row + OLDEST] = block.timeAt(0)
    page[row + COUNT] = block.size
    this.#summaries.addEvents(this.#sumsOf(page, row + SUMS), block, at, at + 1)
    if (!this.isSealed) return
    this.#summaries.addEvents(this.#sumsOf(this.data, this.#sealBase), block, at, at + 1)
    for (let o = 0; o < ordered.length; o++) {
      const value = block.data[block.column(ordered[o] as number) + at] as number
      insertOrdered(this.data, this.orderedAt(o), this.size, value)
    }
    this.size++
  }

  relinked(d: number, before: number, timeMs: number): void {
    if (this.isSealed) replaceOrdered(this, this.#layout.ranked.length + d, before, timeMs)
  }

  /** All blocks must be whole. */
  seal(): void {
    const { slabs, sealNumbers, ordered } = this.#layout
    this.#sealPlace = slabs.allocate(sealNumbers)
    this.#seal = slabs.pageOf(this.#sealPlace)
    this.#sealBase = atOf(this.#sealPlace)
    const page = this.#seal
    const sums = this.#sumsOf(page, this.#sealBase)
    this.#summaries.clear(sums)
    for (let b = 0; b < this.blocks.length; b++) {
      const block = this.blocks[b] as Block
      this.addBlockTo(sums, b)
      for (let o = 0; o < ordered.length; o++) {
        const from = block.orderedAt(o)
        page.set(block.data.subarray(from, from + block.size), this.orderedAt(o) + this.size)
      }
      this.size += block.size
    }
    for (let o = 0; o < ordered.length; o++) {
      const from = this.orderedAt(o)
      page.subarray(from, from + this.size).sort()
    }
  }

  unseal(): void {
    if (!this.isSealed) return
    this.#layout.slabs.giveBack(this.#sealPlace, this.#layout.sealNumbers)
    this.#seal = NOTHING
    this.size = 0
  }

  /** Frees the rows. {@link shift} must have removed all blocks. */
  free(): void {
    this.#layout.slabs.giveBack(this.#place, this.#rowNumbers)
  }

  #sumsOf(page: Float64Array, at: number): Float64Array {
    return page.subarray(at, at + this.#summaries.numbers)
  }

  get #rowNumbers(): number {
    return this.#capacity * this.#rowSize
  }

  #rowAt(b: number): number {
    return this.#base + b * this.#rowSize
  }

  #grow(): void {
    const { slabs } = this.#layout
    const numbers = this.#rowNumbers
    const place = slabs.allocate(numbers * 2)
    const [page, base] = [slabs.pageOf(place), atOf(place)]
    page.set(this.#page.subarray(this.#base, this.#base + numbers), base)
    slabs.giveBack(this.#place, numbers)
    this.#place = place
    this.#page = page
    this.#base = base
    this.#capacity *= 2
  }
}
