import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { OlderBlocks, releaseTexts } from './older-blocks.ts'
import type { Slab } from './slabs.ts'

/** Most keys hold a handful of events. */
const FIRST_CAPACITY = 4

/**
 * The events of one key and kind that a window may still see, sorted by (event time, arrival). The newest lie in one buffer; mostly
 * these are all. Runs of `sizes.run` events in it have summaries, made when they are asked for. A full buffer goes into blocks.
 */
export class History extends EventBuffer {
  readonly key: string
  /** Event time of the newest event that has been pruned; −Infinity if none. */
  newestPrunedMs: number
  /** The events before those of the buffer. */
  older: OlderBlocks | null = null
  readonly #layout: Layout
  /** Runs 0 … sealed − 1 of the buffer have summaries. */
  #sealed = 0

  constructor(layout: Layout, key: string, newestPrunedMs: number) {
    super(layout.slabs.take(numbersOf(layout, FIRST_CAPACITY)), FIRST_CAPACITY)
    this.key = key
    this.newestPrunedMs = newestPrunedMs
    this.#layout = layout
  }

  /** Events held. */
  get size(): number {
    return this.end - this.start + (this.older?.size ?? 0)
  }

  /** Event time of the oldest event held; Infinity if there is none. */
  get oldestMs(): number {
    if (this.older !== null) return this.older.oldestMs
    return this.end > this.start ? this.timeAt(this.start) : Number.POSITIVE_INFINITY
  }

  /** Event time of the newest event, pruned or not; −Infinity if there was none. */
  get newestMs(): number {
    if (this.end > this.start) return this.timeAt(this.end - 1)
    return this.older?.newestMs ?? this.newestPrunedMs
  }

  /** Event time of the newest event held at or before a time; −Infinity if there is none. */
  latestUpTo(timeMs: number): number {
    const after = this.after(timeMs)
    if (after > this.start) return this.timeAt(after - 1)
    return this.older?.latestUpTo(timeMs) ?? Number.NEGATIVE_INFINITY
  }

  /**
   * Enters an event behind those of the same time; not at or before a time that has been pruned. `cells`: its columns after the
   * time; its texts are numbers that their dictionaries hold for it.
   */
  insert(timeMs: number, cells: ArrayLike<number>): void {
    if (this.end === this.capacity) this.#makeRoom()
    if (this.older !== null && timeMs < this.older.newestMs) this.older.insert(timeMs, cells)
    else {
      const at = this.after(timeMs)
      if (at < this.end) this.#sealed = Math.min(this.#sealed, this.#runOf(at))
      this.enter(at, timeMs, cells, this.#layout.columns)
    }
  }

  /** Drops the events at or before a time, and what the dictionaries hold for them. */
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

  /** Gives its room back; it must not be used any more. */
  free(): void {
    const { slabs } = this.#layout
    slabs.giveBack({ page: this.data, at: this.base }, numbersOf(this.#layout, this.capacity))
    this.older?.free()
  }

  /** Makes the summaries of full runs that have none; gives the index after the last event that has a part in one. */
  seal(): number {
    const { summaries, sizes } = this.#layout
    // Mostly there are none.
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

  /** Where in `data` the summaries of the run that begins at an index are. */
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
        // What comes out of order mostly comes among the newest: a block's worth of them stays.
        this.older ??= new OlderBlocks(this.#layout)
        this.older.append(this, this.end - block)
        this.start = this.end - block
        capacity = block * 2
      }
    }
    this.#move(capacity)
  }

  /** Moves the events to the front of a buffer, the same or another. */
  #move(capacity: number): void {
    const { columns, slabs } = this.#layout
    const before: Slab = { page: this.data, at: this.base }
    const same = capacity === this.capacity
    const { page, at } = same ? before : slabs.take(numbersOf(this.#layout, capacity))
    const size = this.end - this.start
    for (let c = 0; c < columns; c++) {
      const from = this.column(c) + this.start
      const into = at + c * capacity
      // Number by number: most histories are short, and a view of each column costs more than its numbers.
      for (let i = 0; i < size; i++) page[into + i] = this.data[from + i] as number
    }
    if (!same) slabs.giveBack(before, numbersOf(this.#layout, this.capacity))
    this.data = page
    this.base = at
    this.capacity = capacity
    this.#clear()
    this.end = size
  }

  #clear(): void {
    this.start = 0
    this.end = 0
    this.#sealed = 0
  }
}

/** Numbers of a buffer: its columns, and summaries of its runs. */
function numbersOf({ columns, summaries, sizes }: Layout, capacity: number): number {
  return columns * capacity + Math.floor(capacity / sizes.run) * summaries.numbers
}
