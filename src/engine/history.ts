import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { OlderBlocks, releaseTexts } from './older-blocks.ts'
import { atOf, type Slabs } from './slabs.ts'

/** Most keys hold a handful of events. */
const FIRST_CAPACITY = 4

/** Numbers in a head. */
export const HEAD = 7
/**
 * Offsets in a head: place and capacity of the buffer, which of its events are live, how many runs
 * have summaries, {@link History.newestPrunedMs}, and the round of the key's last change.
 */
const PLACE = 0
const CAPACITY = 1
const START = 2
const END = 3
const SEALED = 4
const NEWEST_PRUNED = 5
const ROUND = 6
/**
 * Values of the capacity where there is no buffer: nothing is known of the key, or only {@link
 * History.newestPrunedMs} is.
 */
const NOTHING = 0
const REMEMBERED = -1

/**
 * The events of one key and kind that a window may still need, sorted by (event time, arrival). The
 * newest events are in one buffer; in most cases these are all. Runs of `sizes.run` events in the
 * buffer have summaries, which are made on demand. A full buffer is moved into blocks.
 *
 * One such object represents one key after the other. While it represents another key, a key is
 * only a head: a few numbers (see {@link Histories}).
 */
export class History extends EventBuffer {
  key = 0
  /** Event time of the newest event that has been pruned; −Infinity if none. */
  newestPrunedMs = Number.NEGATIVE_INFINITY
  /** The events that are older than those of the buffer. */
  older: OlderBlocks | null = null
  /** The round in which the key last changed. */
  round = 0
  readonly #layout: Layout
  /** Runs 0 … sealed − 1 of the buffer have summaries. */
  #sealed = 0

  constructor(layout: Layout) {
    super(layout.slabs, layout.slabs.allocate(0), 0)
    this.#layout = layout
  }

  /** Is nothing known of the key with this head? */
  static isNothing(heads: Float64Array, at: number): boolean {
    return heads[at + CAPACITY] === NOTHING
  }

  /** Does the key with this head have a history? */
  static isIn(heads: Float64Array, at: number): boolean {
    return (heads[at + CAPACITY] as number) > 0
  }

  /**
   * Event time of the newest event of a key of which only that time is remembered; otherwise
   * −Infinity.
   */
  static lastMsIn(heads: Float64Array, at: number): number {
    const isThere = heads[at + CAPACITY] === REMEMBERED
    return isThere ? (heads[at + NEWEST_PRUNED] as number) : Number.NEGATIVE_INFINITY
  }

  /**
   * Reads the oldest and the newest event of the key with this head. Returns the sum of their
   * times, which only keeps the reads from being optimised away.
   */
  static touch(heads: Float64Array, at: number, slabs: Slabs): number {
    if (!History.isIn(heads, at)) return 0
    const place = heads[at + PLACE] as number
    const page = slabs.pageOf(place)
    const base = atOf(place)
    const oldest = page[base + (heads[at + START] as number)] as number
    return oldest + (page[base + (heads[at + END] as number) - 1] as number)
  }

  /** The round in which the key with this head last changed. */
  static roundIn(heads: Float64Array, at: number): number {
    return heads[at + ROUND] as number
  }

  /** Switches to another key, which has no events yet. */
  begin(key: number, newestPrunedMs: number): void {
    const { slabs } = this.#layout
    this.key = key
    this.capacity = FIRST_CAPACITY
    this.#goTo(slabs.allocate(numbersOf(this.#layout, FIRST_CAPACITY)))
    this.newestPrunedMs = newestPrunedMs
    this.older = null
    this.#clear()
  }

  /** Switches to another key, which has this head. */
  load(key: number, older: OlderBlocks | null, heads: Float64Array, at: number): void {
    this.key = key
    this.older = older
    this.capacity = heads[at + CAPACITY] as number
    this.#goTo(heads[at + PLACE] as number)
    this.start = heads[at + START] as number
    this.end = heads[at + END] as number
    this.#sealed = heads[at + SEALED] as number
    this.newestPrunedMs = heads[at + NEWEST_PRUNED] as number
    this.round = heads[at + ROUND] as number
  }

  /** Writes the head of its key. */
  save(heads: Float64Array, at: number): void {
    heads[at + PLACE] = this.place
    heads[at + CAPACITY] = this.capacity
    heads[at + START] = this.start
    heads[at + END] = this.end
    heads[at + SEALED] = this.#sealed
    heads[at + NEWEST_PRUNED] = this.newestPrunedMs
    heads[at + ROUND] = this.round
  }

  /** Number of events held. */
  get size(): number {
    return this.end - this.start + (this.older?.size ?? 0)
  }

  /** Event time of the oldest event held; Infinity if none is held. */
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
   * Inserts an event after those of the same time. Its time must be after all pruned ones. `cells`:
   * its columns after the time; texts are dictionary numbers that are already held for this event.
   */
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

  /** Drops the events at or before a time, and releases their texts in the dictionaries. */
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

  /**
   * Returns its memory to the slabs; it represents no key afterwards. It must hold no events:
   * texts are released, and older blocks freed, by {@link prune}.
   * @param remembers whether the head keeps the time of the newest event
   */
  free(heads: Float64Array, at: number, remembers: boolean): void {
    heads[at + CAPACITY] = remembers ? REMEMBERED : NOTHING
    heads[at + NEWEST_PRUNED] = this.newestMs
    this.#layout.slabs.giveBack(this.place, numbersOf(this.#layout, this.capacity))
  }

  /** The buffers that contain its events, in order. */
  *buffers(): Generator<EventBuffer> {
    for (const group of this.older?.groups ?? []) yield* group.blocks
    yield this
  }

  /**
   * Makes the missing summaries of full runs. Returns the index after the last event that is part
   * of a summary.
   */
  seal(): number {
    const { summaries, sizes } = this.#layout
    // In most cases there are none.
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

  /** Offset in `data` of the summaries of the run that begins at an index. */
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
        // Most out-of-order events are close to the newest ones: one block's worth of events stays
        // in the buffer.
        this.older ??= new OlderBlocks(this.#layout)
        this.older.append(this, this.end - block)
        this.start = this.end - block
        capacity = block * 2
      }
    }
    this.#move(capacity)
    this.older?.newestTexts?.reset(this)
  }

  /** Moves the events to the front of a buffer, the same one or another. */
  #move(capacity: number): void {
    const { columns, slabs } = this.#layout
    const [before, from] = [this.place, this.capacity]
    const place = capacity === from ? before : slabs.allocate(numbersOf(this.#layout, capacity))
    const [page, at] = [slabs.pageOf(place), atOf(place)]
    const size = this.end - this.start
    for (let c = 0; c < columns; c++) {
      const source = this.column(c) + this.start
      const into = at + c * capacity
      // Number by number: most histories are short, and creating a view per column costs more than
      // copying its numbers.
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

/** Numbers in a buffer: its columns, and the summaries of its runs. */
function numbersOf({ columns, summaries, sizes }: Layout, capacity: number): number {
  return columns * capacity + Math.floor(capacity / sizes.run) * summaries.numbers
}
