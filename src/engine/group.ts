import { type Block, replaceOrdered, type Whole } from './block.ts'
import type { Layout } from './layout.ts'
import { insertOrdered } from './ordered.ts'
import { atOf } from './slabs.ts'
import type { Summaries } from './summaries.ts'

/** Initial capacity of a group, rows. */
const FIRST_CAPACITY = 4
/** Offsets within a row: event time of the oldest event, number of events, then their sums. */
const OLDEST = 0
const COUNT = 1
const SUMS = 2

const NOTHING = new Float64Array(0)

/**
 * Consecutive blocks of a long history, and a row of sums for each block. The rows are stored
 * together, so that a walk over many blocks need not touch the blocks. A sealed group also has the
 * sums over all its blocks.
 */
export class Group implements Whole {
  readonly blocks: Block[] = []
  /** Events covered by the seal; 0 if not sealed. */
  size = 0
  readonly #layout: Layout
  readonly #summaries: Summaries
  readonly #rowSize: number
  /** Where the rows are stored. */
  #place: number
  #page: Float64Array
  #base: number
  #capacity = FIRST_CAPACITY
  /** Where the seal's numbers are stored. */
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

  /**
   * Event time of a block's oldest event; −Infinity once the block has lost events, since it is no
   * longer whole.
   */
  oldestMs(b: number): number {
    return this.#page[this.#rowAt(b) + OLDEST] as number
  }

  /** The last block that begins at or before a time, otherwise the first block. */
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

  /** Events of a block. */
  countOf(b: number): number {
    return this.#page[this.#rowAt(b) + COUNT] as number
  }

  /** Adds the sums of a block. */
  addBlockTo(sums: Float64Array, b: number): void {
    this.#summaries.add(sums, this.#page, this.#rowAt(b) + SUMS)
  }

  /** Adds the sums of all blocks. Sealed groups only. */
  addAllTo(sums: Float64Array): void {
    this.#summaries.add(sums, this.#seal, this.#sealBase)
  }

  /** Inserts a block at an index. */
  put(b: number, block: Block): void {
    if (this.blocks.length === this.#capacity) this.#grow()
    const at = this.#rowAt(b)
    const end = this.#rowAt(this.blocks.length)
    this.#page.copyWithin(at + this.#rowSize, at, end)
    this.blocks.splice(b, 0, block)
    this.sum(b)
  }

  /** Drops the first block. */
  shift(): void {
    this.unseal()
    this.#page.copyWithin(this.#rowAt(0), this.#rowAt(1), this.#rowAt(this.blocks.length))
    this.blocks.shift()?.free()
  }

  /** Recomputes a block's row from its events. */
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

  /** Notes that a block has lost its oldest events. */
  pruned(b: number): void {
    this.unseal()
    this.#page[this.#rowAt(b) + OLDEST] = Number.NEGATIVE_INFINITY
  }

  /** Notes that a block has received an event, at an index. */
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

  /** Notes that a link for `distinct[d]` has been changed. */
  relinked(d: number, before: number, timeMs: number): void {
    if (this.isSealed) replaceOrdered(this, this.#layout.ranked.length + d, before, timeMs)
  }

  /** Computes the sums over all blocks. All blocks must be whole. */
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

  /** Returns its memory to the slabs. It must have no blocks: {@link shift} frees them. */
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
