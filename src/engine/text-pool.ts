import { type ByteRoom, Memory } from '../kernel/bytes.ts'

/** Bytes compared at once. */
const WORD = 4
/** Bytes per place, and bytes per page. */
const UNIT = 8
const PAGE = 2 ** 16
const UNITS = PAGE / UNIT
/** A longer text gets its own memory, which the garbage collector reclaims. Bytes. */
const LARGEST = PAGE / 16
/** Marks the end of a list of free places. */
const NONE = -1
const GONE = new Memory(new ArrayBuffer(0))

/**
 * Stores texts as UTF-8 in shared pages and reuses their memory by size. With one string per text,
 * the garbage collector would have to scan each of them.
 */
export class TextPool {
  readonly #pages: Memory[] = []
  /** Numbers of freed pages. */
  readonly #gone: number[] = []
  /** By size in units: the place that was freed last; its first bytes hold the next free place. */
  readonly #free = new Map<number, number>()
  /** The page that is being filled, and how many of its units are used. */
  #last = NONE
  #used = UNITS
  #held = 0

  /** Bytes of the stored texts, including the padding between them. */
  get bytes(): number {
    return this.#held * UNIT
  }

  /** Stores a text. @returns its place */
  add({ bytes }: Memory, from: number, to: number): number {
    const place = this.#allocate(to - from)
    const page = this.#pageOf(place).bytes
    const at = atOf(place)
    for (let i = from; i < to; i++) page[at + i - from] = bytes[i] as number
    return place
  }

  /** Frees the text at a place. */
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

  /** Is this the text at a place? Both have the same length. */
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

  /** The text at a place. */
  text(place: number, length: number): string {
    const at = atOf(place)
    return this.#pageOf(place).text(at, at + length)
  }

  /** Appends the text at a place to a room. */
  appendTo(room: ByteRoom, place: number, length: number): void {
    const at = atOf(place)
    room.copy(this.#pageOf(place), at, at + length)
  }

  #allocate(length: number): number {
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
