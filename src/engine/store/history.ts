import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { OlderBlocks, releaseTexts } from './older-blocks.ts'
import { atOf, type Slabs } from './slabs.ts'

/** Events; most keys hold a handful. */
const FIRST_CAPACITY = 4

export const HEAD = 6
const PLACE = 0
const CAPACITY = 1
const START = 2
const END = 3
const SEALED = 4
const NEWEST_PRUNED = 5
export const NO_KEY = -1
/** Capacities without a buffer: the key is unknown, or only its newest event's time is known. */
const NOTHING = 0
const REMEMBERED = -1

/**
 * The events of one key and kind, sorted by (event time, arrival): the newest in one buffer, older
 * ones in blocks. Each `sizes.run` events of the buffer have a summary, made on demand. The object
 * represents one key after the other; the others are heads: see {@link Histories}.
 */
export class History extends EventBuffer {
  /** {@link NO_KEY}: the object is free for the next one. */
  key = NO_KEY
  /** Event time of the newest pruned event; −Infinity: none was pruned. */
  newestPrunedMs = Number.NEGATIVE_INFINITY
  older: OlderBlocks | null = null
  readonly #layout: Layout
  /** The first `sealed` runs of the buffer have summaries. */
  #sealed = 0

  constructor(layout: Layout) {
    super(layout.slabs, layout.slabs.allocate(0), 0)
    this.#layout = layout
  }

  static isNothing(heads: Float64Array, at: number): boolean {
    return heads[at + CAPACITY] === NOTHING
  }

  static isIn(heads: Float64Array, at: number): boolean {
    return (heads[at + CAPACITY] as number) > 0
  }

  static lastMsIn(heads: Float64Array, at: number): number {
    const isThere = heads[at + CAPACITY] === REMEMBERED
    return isThere ? (heads[at + NEWEST_PRUNED] as number) : Number.NEGATIVE_INFINITY
  }

  /** @returns a number that keeps the reads from being optimised away */
  static touch(heads: Float64Array, at: number, slabs: Slabs): number {
    if (!History.isIn(heads, at)) return 0
    const place = heads[at + PLACE] as number
    const page = slabs.pageOf(place)
    const base = atOf(place)
    const oldest = page[base + (heads[at + START] as number)] as number
    return oldest + (page[base + (heads[at + END] as number) - 1] as number)
  }

  begin(key: number, newestPrunedMs: number): void {
    const { slabs } = this.#layout
    this.key = key
    this.capacity = FIRST_CAPACITY
    this.#goTo(slabs.allocate(numbersOf(this.#layout, FIRST_CAPACITY)))
    this.newestPrunedMs = newestPrunedMs
    this.older = null
    this.#clear()
  }

  /**
   * Begins as a copy of another, for one insertion. Older blocks are shared, unless the event goes
   * into them.
   */
  beginAs(of: History, timeMs: number): void {
    const { slabs } = this.#layout
    const size = of.end - of.start
    this.key = of.key
    this.newestPrunedMs = of.newestPrunedMs
    this.older = of.older !== null && timeMs < of.older.newestMs ? of.older.copy() : of.older
    this.capacity = FIRST_CAPACITY
    while (this.capacity <= size) this.capacity *= 2
    this.#goTo(slabs.allocate(numbersOf(this.#layout, this.capacity)))
    this.#clear()
    this.end = size
    for (let c = 0; c < this.#layout.columns; c++) {
      const from = of.column(c) + of.start
      this.data.set(of.data.subarray(from, from + size), this.column(c))
    }
  }

  /** Frees what {@link beginAs} has copied. */
  discard(of: History | null): void {
    this.#layout.slabs.giveBack(this.place, numbersOf(this.#layout, this.capacity))
    if (of === null || this.older !== of.older) this.older?.discard()
    else this.older?.newestTexts?.reset(of)
    this.key = NO_KEY
  }

  load(key: number, older: OlderBlocks | null, heads: Float64Array, at: number): void {
    this.key = key
    this.older = older
    this.capacity = heads[at + CAPACITY] as number
    this.#goTo(heads[at + PLACE] as number)
    this.start = heads[at + START] as number
    this.end = heads[at + END] as number
    this.#sealed = heads[at + SEALED] as number
    this.newestPrunedMs = heads[at + NEWEST_PRUNED] as number
  }

  save(heads: Float64Array, at: number): void {
    heads[at + PLACE] = this.place
    heads[at + CAPACITY] = this.capacity
    heads[at + START] = this.start
    heads[at + END] = this.end
    heads[at + SEALED] = this.#sealed
    heads[at + NEWEST_PRUNED] = this.newestPrunedMs
  }

  get size(): number {
    return this.end - this.start + (this.older?.size ?? 0)
  }

  /** Event time of the newest event, pruned or not; −Infinity: there was none. */
  get newestMs(): number {
    if (this.end > this.start) return this.timeAt(this.end - 1)
    return this.older?.newestMs ?? this.newestPrunedMs
  }

  /** Event time of the newest event held at or before a time; −Infinity: there is none. */
  latestUpTo(timeMs: number): number {
    const after = this.after(timeMs)
    if (after > this.start) return this.timeAt(after - 1)
    return this.older?.latestUpTo(timeMs) ?? Number.NEGATIVE_INFINITY
  }

  /** Its time must be after all pruned ones. @param cells its columns after the time, texts held */
  insert(timeMs: number, cells: ArrayLike<number>): void {
    if (this.end === this.capacity) this.#makeRoom()
    if (this.older !== null && timeMs < this.older.newestMs) {
      this.older.insert(timeMs, cells)
      this.older.newestTexts?.reset(this)
    } else {
      const at = this.after(timeMs)
      if (at < this.end) this.#sealed = Math.min(this.#sealed, this.#runOf(at))
      this.enter(at, timeMs, cells, this.#layout.columns)
      this.older?.newestTexts?.entered(this, at)
    }
  }

  /** Drops the events up to a time, and releases their texts. */
  prune(cutMs: number): void {
    if (this.older !== null) {
      if (this.older.oldestMs > cutMs) return
      this.older.prune(cutMs)
      this.newestPrunedMs = Math.max(this.newestPrunedMs, this.older.newestPrunedMs)
      if (this.older.size > 0) return
      this.older.free()
      this.older = null
    }
    const upTo = this.after(cutMs)
    if (upTo === this.start) return
    releaseTexts(this.#layout, this, upTo)
    this.newestPrunedMs = Math.max(this.newestPrunedMs, this.timeAt(upTo - 1))
    this.start = upTo
    if (this.start === this.end) this.#clear()
  }

  /** Frees a key without events. @param remembers does the head keep the newest event's time? */
  free(heads: Float64Array, at: number, remembers: boolean): void {
    heads[at + CAPACITY] = remembers ? REMEMBERED : NOTHING
    heads[at + NEWEST_PRUNED] = this.newestMs
    this.#layout.slabs.giveBack(this.place, numbersOf(this.#layout, this.capacity))
  }

  /** Makes the missing summaries of full runs. @returns the index after the last full run */
  seal(): number {
    const { summaries, sizes } = this.#layout
    if (this.end < sizes.run) return 0
    const full = this.#runOf(this.end)
    for (; this.#sealed < full; this.#sealed++) {
      const first = this.#sealed * sizes.run
      const at = this.summariesAt(first)
      const row = this.data.subarray(at, at + summaries.numbers)
      summaries.clear(row)
      summaries.addEvents(row, this, first, first + sizes.run)
    }
    return full * sizes.run
  }

  /** Offset in `data` of the summary of the run that begins at an index. */
  summariesAt(index: number): number {
    const { columns, summaries } = this.#layout
    return this.column(columns) + this.#runOf(index) * summaries.numbers
  }

  #runOf(index: number): number {
    return Math.floor(index / this.#layout.sizes.run)
  }

  #makeRoom(): void {
    const { buffer, block } = this.#layout.sizes
    let { capacity } = this
    if (this.start * 4 < capacity) {
      const largest = this.older === null ? buffer : block * 2
      if (capacity < largest) capacity *= 2
      else {
        // One block's worth stays, because most out-of-order events are close to the newest ones.
        this.older ??= new OlderBlocks(this.#layout)
        this.older.append(this, this.end - block)
        this.start = this.end - block
        capacity = block * 2
      }
    }
    this.#move(capacity)
    this.older?.newestTexts?.reset(this)
  }

  #move(capacity: number): void {
    const { columns, slabs } = this.#layout
    const [before, from] = [this.place, this.capacity]
    const place = capacity === from ? before : slabs.allocate(numbersOf(this.#layout, capacity))
    const [page, at] = [slabs.pageOf(place), atOf(place)]
    const size = this.end - this.start
    for (let c = 0; c < columns; c++) {
      const source = this.column(c) + this.start
      const into = at + c * capacity
      // In a loop: most histories are short, and a view per column costs more than copying.
      for (let i = 0; i < size; i++) page[into + i] = this.data[source + i] as number
    }
    if (place !== before) slabs.giveBack(before, numbersOf(this.#layout, from))
    this.capacity = capacity
    this.#goTo(place)
    this.#clear()
    this.end = size
  }

  #goTo(place: number): void {
    this.place = place
    this.data = this.#layout.slabs.pageOf(place)
    this.base = atOf(place)
  }

  #clear(): void {
    this.start = 0
    this.end = 0
    this.#sealed = 0
  }
}

function numbersOf({ columns, summaries, sizes }: Layout, capacity: number): number {
  return columns * capacity + Math.floor(capacity / sizes.run) * summaries.numbers
}
