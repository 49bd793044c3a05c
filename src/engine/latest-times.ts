import type { Slab, Slabs } from './slabs.ts'

/** Slots at first: a power of 2, as all later ones. */
const FIRST_CAPACITY = 16
/** A text's number is a whole one from 0 on. */
const EMPTY = -1
/** 2^32 over the golden ratio, odd: neighbours fall far from each other. */
const SPREAD = 0x9e3779b1

/**
 * For each text the time of its newest occurrence: open addressing with linear probing. Nothing is taken out; what has been pruned
 * is left behind when there is no room.
 */
export class LatestTimes {
  readonly #slabs: Slabs
  /** Slot i: a text at 2i, its time behind it. */
  #slots: Slab
  #capacity = FIRST_CAPACITY
  #used = 0

  constructor(slabs: Slabs) {
    this.#slabs = slabs
    this.#slots = this.#take()
  }

  /** Numbers it takes. */
  get numbers(): number {
    return this.#capacity * 2
  }

  /** −Infinity if there is none. */
  of(text: number): number {
    const { page } = this.#slots
    const slot = this.#slotOf(text)
    return page[slot] === text ? (page[slot + 1] as number) : Number.NEGATIVE_INFINITY
  }

  /** @param prunedMs times up to this one may be forgotten */
  set(text: number, timeMs: number, prunedMs: number): void {
    let slot = this.#slotOf(text)
    if (this.#slots.page[slot] === EMPTY) {
      if (this.#used * 2 >= this.#capacity) {
        this.#makeRoom(prunedMs)
        slot = this.#slotOf(text)
      }
      this.#used++
      this.#slots.page[slot] = text
    }
    this.#slots.page[slot + 1] = timeMs
  }

  free(): void {
    this.#slabs.giveBack(this.#slots, this.numbers)
  }

  /** Where the text is, or would be. */
  #slotOf(text: number): number {
    const { page, at } = this.#slots
    const hash = Math.imul(text, SPREAD)
    for (let i = hash ^ (hash >>> 15); ; i++) {
      const slot = at + (i & (this.#capacity - 1)) * 2
      const found = page[slot]
      if (found === text || found === EMPTY) return slot
    }
  }

  /** Moves what has not been pruned to where a quarter or less of the slots are used. */
  #makeRoom(prunedMs: number): void {
    const { page, at } = this.#slots
    const end = at + this.numbers
    let kept = 0
    for (let slot = at; slot < end; slot += 2) {
      if (page[slot] !== EMPTY && (page[slot + 1] as number) > prunedMs) kept++
    }
    const before = this.#slots
    const numbersBefore = this.numbers
    this.#capacity = FIRST_CAPACITY
    while (this.#capacity < kept * 4) this.#capacity *= 2
    this.#slots = this.#take()
    this.#used = kept
    for (let from = at; from < end; from += 2) {
      const text = page[from] as number
      const timeMs = page[from + 1] as number
      if (text === EMPTY || timeMs <= prunedMs) continue
      const slot = this.#slotOf(text)
      this.#slots.page[slot] = text
      this.#slots.page[slot + 1] = timeMs
    }
    this.#slabs.giveBack(before, numbersBefore)
  }

  #take(): Slab {
    const slots = this.#slabs.take(this.numbers)
    slots.page.fill(EMPTY, slots.at, slots.at + this.numbers)
    return slots
  }
}
