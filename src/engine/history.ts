import { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'
import { OlderBlocks, releaseTexts } from './older-blocks.ts'
import { atOf, type Slabs } from './slabs.ts'

/** Most keys hold a handful of events. */
const FIRST_CAPACITY = 4

/** Numbers of a head. */
export const HEAD = 7
/**
 * Offsets in a head: where the buffer is and how large, which of its events are live, how many runs
 * have summaries, {@link History.newestPrunedMs}, and the round in which the key has changed last.
 */
const PLACE = 0
const CAPACITY = 1
const START = 2
const END = 3
const SEALED = 4
const NEWEST_PRUNED = 5
const ROUND = 6
/** Capacities of no buffer: nothing is known of the key; only {@link History.newestPrunedMs} is. */
const NOTHING = 0
const REMEMBERED = -1

/**
 * The events of one key and kind that a window may still see, sorted by (event time, arrival). The
 * newest lie in one buffer; mostly these are all. Runs of `sizes.run` events in it have summaries,
 * made when they are asked for. A full buffer goes into blocks.
 *
 * One such object stands for one key after the other: between its turns a key is a head, a few
 * numbers (see {@link Histories}).
 */
export class History extends EventBuffer {
  key = 0
  /** Event time of the newest event that has been pruned; −Infinity if none. */
  newestPrunedMs = Number.NEGATIVE_INFINITY
  /** The events before those of the buffer. */
  older: OlderBlocks | null = null
  /** The round in which the key has changed last. */
  round = 0
  readonly #layout: Layout
  /** Runs 0 … sealed − 1 of the buffer have summaries. */
  #sealed = 0

  constructor(layout: Layout) {
    super(layout.slabs, layout.slabs.take(0), 0)
    this.#layout = layout
  }

  /** Is there nothing of the key whose head this is? */
  static isNothing(heads: Float64Array, at: number): boolean {
    return heads[at + CAPACITY] === NOTHING
  }

  /** Has the key whose head this is a history? */
  static isIn(heads: Float64Array, at: number): boolean {
    return (heads[at + CAPACITY] as number) > 0
  }

  /** Event time of the newest event of a key of which no more is remembered; else −Infinity. */
  static lastMsIn(heads: Float64Array, at: number): number {
    const isThere = heads[at + CAPACITY] === REMEMBERED
    return isThere ? (heads[at + NEWEST_PRUNED] as number) : Number.NEGATIVE_INFINITY
  }

  /** Looks at the oldest and the newest event of the key whose head this is. */
  static touch(heads: Float64Array, at: number, slabs: Slabs): number {
    if (!History.isIn(heads, at)) return 0
    const place = heads[at + PLACE] as number
    const page = slabs.pageOf(place)
    const base = atOf(place)
    const oldest = page[base + (heads[at + START] as number)] as number
    return oldest + (page[base + (heads[at + END] as number) - 1] as number)
  }

  /** The round in which the key whose head this is has changed last. */
  static roundIn(heads: Float64Array, at: number): number {
    return heads[at + ROUND] as number
  }

  /** It stands for another key from now on, which holds nothing. */
  begin(key: number, newestPrunedMs: number): void {
    const { slabs } = this.#layout
    this.key = key
    this.capacity = FIRST_CAPACITY
    this.#goTo(slabs.take(numbersOf(this.#layout, FIRST_CAPACITY)))
    this.newestPrunedMs = newestPrunedMs
    this.older = null
    this.#clear()
  }

  /** It stands for another key from now on, whose head this is. */
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
   * Enters an event behind those of the same time; not at or before a time that has been pruned.
   * `cells`: its columns after the time; its texts are numbers that their dictionaries hold for it.
   */
  insert(timeMs: number, cells: ArrayLike<number>): void {
    if (this.end === this.capacity) this.#makeRoom()
    if (this.older !== null && timeMs < this.older.newestMs) {
      this.older.insert(timeMs, cells)
      this.older.newestTexts?.takeAll(this)
    } else {
      const at = this.after(timeMs)
      if (at < this.end) this.#sealed = Math.min(this.#sealed, this.#runOf(at))
      this.enter(at, timeMs, cells, this.#layout.columns)
      this.older?.newestTexts?.entered(this, at)
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

  /**
   * Gives its room back; it stands for no key any more. @param remembers does the head tell when
   * the newest event was?
   */
  free(heads: Float64Array, at: number, remembers: boolean): void {
    heads[at + CAPACITY] = remembers ? REMEMBERED : NOTHING
    heads[at + NEWEST_PRUNED] = this.newestMs
    this.#layout.slabs.giveBack(this.place, numbersOf(this.#layout, this.capacity))
    this.older?.free()
  }

  /** The buffers that its events lie in, in order. */
  *buffers(): Generator<EventBuffer> {
    for (const group of this.older?.groups ?? []) yield* group.blocks
    yield this
  }

  /**
   * Makes the summaries of full runs that have none; gives the index after the last event that has
   * a part in one.
   */
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
    this.older?.newestTexts?.takeAll(this)
  }

  /** Moves the events to the front of a buffer, the same or another. */
  #move(capacity: number): void {
    const { columns, slabs } = this.#layout
    const [before, from] = [this.place, this.capacity]
    const place = capacity === from ? before : slabs.take(numbersOf(this.#layout, capacity))
    const [page, at] = [slabs.pageOf(place), atOf(place)]
    const size = this.end - this.start
    for (let c = 0; c < columns; c++) {
      const source = this.column(c) + this.start
      const into = at + c * capacity
      // Number by number: most histories are short, and a view of each column costs more than its
      // numbers.
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

/** Numbers of a buffer: its columns, and summaries of its runs. */
function numbersOf({ columns, summaries, sizes }: Layout, capacity: number): number {
  return columns * capacity + Math.floor(capacity / sizes.run) * summaries.numbers
}
