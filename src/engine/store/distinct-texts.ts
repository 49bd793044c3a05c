import type { KeyedHash } from '../../kernel/bytes.ts'
import type { EventBuffer } from './event-buffer.ts'
import { atOf, type Slabs } from './slabs.ts'

const FIRST_CAPACITY = 16
/** An empty slot; numbers of texts are 0 or more. */
const EMPTY = -1

/** The time of each text's newest occurrence. Pruned entries are dropped when the table is full. */
export class LatestTimes {
  readonly #slabs: Slabs
  readonly #hash: KeyedHash
  #place: number
  /** Slot i: a text at `at` + 2i, then its time. */
  #page: Float64Array
  #at: number
  #capacity = FIRST_CAPACITY
  #used = 0

  constructor(slabs: Slabs, hash: KeyedHash) {
    this.#slabs = slabs
    this.#hash = hash
    this.#place = slabs.allocate(this.numbers)
    this.#page = slabs.pageOf(this.#place)
    this.#at = atOf(this.#place)
    this.#clear()
  }

  get numbers(): number {
    return this.#capacity * 2
  }

  /** −Infinity: the text has not occurred. */
  of(text: number): number {
    const slot = this.#slotOf(text)
    const isThere = this.#page[slot] === text
    return isThere ? (this.#page[slot + 1] as number) : Number.NEGATIVE_INFINITY
  }

  /** @param prunedMs times up to this one may be forgotten */
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

  #slotOf(text: number): number {
    const page = this.#page
    for (let i = this.#hash.ofNumber(text); ; i++) {
      const slot = this.#at + (i & (this.#capacity - 1)) * 2
      const found = page[slot]
      if (found === text || found === EMPTY) return slot
    }
  }

  /** Moves the unpruned entries to a table of which they use at most a quarter. */
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

interface Counting {
  readonly distinct: readonly number[]
  readonly marks: TextMarks
}

interface Occurrences {
  latestOf(d: number, text: number): number
}

/** By column of `distinct`: when each text in a long history's buffer last occurred before it. */
export class NewestTexts {
  readonly #counting: Counting
  readonly #older: Occurrences
  readonly #times: number[][]

  constructor(counting: Counting, older: Occurrences, buffer: EventBuffer) {
    this.#counting = counting
    this.#older = older
    this.#times = counting.distinct.map(() => [])
    this.reset(buffer)
  }

  /** Starts again, because other events are in the buffer or older occurrences have changed. */
  reset(buffer: EventBuffer): void {
    const { distinct, marks } = this.#counting
    for (let d = 0; d < distinct.length; d++) {
      const times = this.#times[d] as number[]
      times.length = 0
      marks.begin()
      const column = buffer.column(distinct[d] as number)
      for (let i = column + buffer.start; i < column + buffer.end; i++) {
        const text = buffer.data[i] as number
        if (marks.isNew(text)) times.push(this.#older.latestOf(d, text))
      }
    }
  }

  entered(buffer: EventBuffer, at: number): void {
    const { distinct } = this.#counting
    for (let d = 0; d < distinct.length; d++) {
      const column = buffer.column(distinct[d] as number)
      const text = buffer.data[column + at] as number
      let i = buffer.start
      while (i < buffer.end && (i === at || buffer.data[column + i] !== text)) i++
      if (i === buffer.end) this.#times[d]?.push(this.#older.latestOf(d, text))
    }
  }

  /** Texts that did not occur between a time and the buffer's events. */
  countUpTo(d: number, timeMs: number): number {
    const times = this.#times[d] as number[]
    let count = 0
    for (let i = 0; i < times.length; i++) if ((times[i] as number) <= timeMs) count++
    return count
  }
}

const LAST_COUNT = 2 ** 32 - 1
const FIRST_TEXTS = 1_024

/** Tells which texts, by number, a count meets for the first time. One count at a time. */
export class TextMarks {
  #met = new Uint32Array(FIRST_TEXTS)
  #counts = 0

  begin(): void {
    if (this.#counts === LAST_COUNT) {
      this.#met.fill(0)
      this.#counts = 0
    }
    this.#counts++
  }

  isNew(text: number): boolean {
    if (text >= this.#met.length) this.#grow(text)
    if (this.#met[text] === this.#counts) return false
    this.#met[text] = this.#counts
    return true
  }

  #grow(text: number): void {
    const grown = new Uint32Array(Math.max(text + 1, this.#met.length * 2))
    grown.set(this.#met)
    this.#met = grown
  }
}
