import { atOf, type Slabs } from './slabs.ts'

/** Initial number of slots: a power of 2, like every later one. */
const FIRST_CAPACITY = 16
/** Marks an empty slot; numbers of texts are 0 or more. */
const EMPTY = -1
/** 2^32 divided by the golden ratio, odd: spreads neighbouring numbers far apart. */
const SPREAD = 0x9e3779b1

/**
 * For each text, the time of its newest occurrence: open addressing with linear probing. Entries
 * are not removed one by one; pruned ones are dropped when the table is full.
 */
export class LatestTimes {
  readonly #slabs: Slabs
  #place: number
  /** Slot i: a text at `at` + 2i, followed by its time. */
  #page: Float64Array
  #at: number
  #capacity = FIRST_CAPACITY
  #used = 0

  constructor(slabs: Slabs) {
    this.#slabs = slabs
    this.#place = slabs.allocate(this.numbers)
    this.#page = slabs.pageOf(this.#place)
    this.#at = atOf(this.#place)
    this.#clear()
  }

  /** How many numbers it occupies. */
  get numbers(): number {
    return this.#capacity * 2
  }

  /** The time of a text's newest occurrence; −Infinity if there is none. */
  of(text: number): number {
    const slot = this.#slotOf(text)
    const isThere = this.#page[slot] === text
    return isThere ? (this.#page[slot + 1] as number) : Number.NEGATIVE_INFINITY
  }

  /**
   * Sets the time of a text's newest occurrence. @param prunedMs times up to this one may be
   * forgotten
   */
  set(text: number, timeMs: number, prunedMs: number): void {
    let slot = this.#slotOf(text)
    if (this.#page[slot] === EMPTY) {
      if (this.#used * 2 >= this.#capacity) {
        this.#makeRoom(prunedMs)
        slot = this.#slotOf(text)
      }
      this.#used++
      this.#page[slot] = text
    }
    this.#page[slot + 1] = timeMs
  }

  free(): void {
    this.#slabs.giveBack(this.#place, this.numbers)
  }

  /** Where the text is, or would be. */
  #slotOf(text: number): number {
    const page = this.#page
    const hash = Math.imul(text, SPREAD)
    for (let i = hash ^ (hash >>> 15); ; i++) {
      const slot = this.#at + (i & (this.#capacity - 1)) * 2
      const found = page[slot]
      if (found === text || found === EMPTY) return slot
    }
  }

  /**
   * Moves the entries that have not been pruned to a table in which a quarter or less of the slots
   * are used.
   */
  #makeRoom(prunedMs: number): void {
    const [place, page, from] = [this.#place, this.#page, this.#at]
    const numbers = this.numbers
    let kept = 0
    for (let slot = from; slot < from + numbers; slot += 2) {
      if (page[slot] !== EMPTY && (page[slot + 1] as number) > prunedMs) kept++
    }
    this.#capacity = FIRST_CAPACITY
    while (this.#capacity < kept * 4) this.#capacity *= 2
    this.#place = this.#slabs.allocate(this.numbers)
    this.#page = this.#slabs.pageOf(this.#place)
    this.#at = atOf(this.#place)
    this.#clear()
    this.#used = kept
    for (let slot = from; slot < from + numbers; slot += 2) {
      const text = page[slot] as number
      const timeMs = page[slot + 1] as number
      if (text === EMPTY || timeMs <= prunedMs) continue
      const into = this.#slotOf(text)
      this.#page[into] = text
      this.#page[into + 1] = timeMs
    }
    this.#slabs.giveBack(place, numbers)
  }

  #clear(): void {
    this.#page.fill(EMPTY, this.#at, this.#at + this.numbers)
  }
}
