import { Memory } from '../kernel/memory.ts'

/** Bytes that are compared at once. */
const WORD = 4
/** Bytes that a place stands for, and in a page. */
const UNIT = 8
const PAGE = 2 ** 16
const UNITS = PAGE / UNIT
/** A longer text gets memory of its own, which the collector takes back. Bytes. */
const LARGEST = PAGE / 16
/** Ends a list of free places. */
const NONE = -1
const GONE = new Memory(new ArrayBuffer(0))

/**
 * Texts as their UTF-8, cut from shared pages and used again by size: a string each would have to
 * be looked at by the collector.
 */
export class TextPool {
  readonly #pages: Memory[] = []
  /** Numbers of pages that are gone. */
  readonly #gone: number[] = []
  /** By units, the place that was given back last; its first bytes name the next one. */
  readonly #free = new Map<number, number>()
  /** The page that is being cut, and units of it that are. */
  #last = NONE
  #used = UNITS
  #held = 0

  /** Bytes of the texts that are held, and what is lost between them. */
  get bytes(): number {
    return this.#held * UNIT
  }

  /** @returns its place */
  add({ bytes }: Memory, from: number, to: number): number {
    const place = this.#take(to - from)
    const page = this.#pageOf(place).bytes
    const at = atOf(place)
    for (let i = from; i < to; i++) page[at + i - from] = bytes[i] as number
    return place
  }

  /** The text at a place has gone. */
  giveBack(place: number, length: number): void {
    const units = unitsOf(length)
    this.#held -= units
    if (length > LARGEST) {
      this.#pages[place / UNITS] = GONE
      this.#gone.push(place / UNITS)
      return
    }
    this.#pageOf(place).view.setInt32(atOf(place), this.#free.get(units) ?? NONE)
    this.#free.set(units, place)
  }

  /** Is it the text at a place? Both are of one length. */
  isAt(place: number, { view, bytes }: Memory, from: number, to: number): boolean {
    const page = this.#pageOf(place)
    let at = atOf(place)
    let i = from
    for (; i <= to - WORD; i += WORD, at += WORD) {
      if (page.view.getInt32(at) !== view.getInt32(i)) return false
    }
    for (; i < to; i++, at++) if (page.bytes[at] !== bytes[i]) return false
    return true
  }

  text(place: number, length: number): string {
    const at = atOf(place)
    return this.#pageOf(place).text(at, at + length)
  }

  #take(length: number): number {
    const units = unitsOf(length)
    this.#held += units
    if (length > LARGEST) return this.#addPage(units * UNIT) * UNITS
    const free = this.#free.get(units) ?? NONE
    if (free !== NONE) {
      this.#free.set(units, this.#pageOf(free).view.getInt32(atOf(free)))
      return free
    }
    if (this.#used + units > UNITS) {
      this.#last = this.#addPage(PAGE)
      this.#used = 0
    }
    const place = this.#last * UNITS + this.#used
    this.#used += units
    return place
  }

  #addPage(bytes: number): number {
    const number = this.#gone.pop() ?? this.#pages.length
    this.#pages[number] = new Memory(new ArrayBuffer(bytes))
    return number
  }

  #pageOf(place: number): Memory {
    return this.#pages[Math.floor(place / UNITS)] as Memory
  }
}

function atOf(place: number): number {
  return (place % UNITS) * UNIT
}

function unitsOf(length: number): number {
  return Math.max(1, Math.ceil(length / UNIT))
}
