import { type ByteRoom, hashOf, type Memory, TextScratch } from '../kernel/bytes.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Cell } from '../topology/definition.ts'
import { TextPool } from './text-pool.ts'

/** A power of 2, like every later capacity. */
const FIRST_SLOTS = 64
/**
 * Offsets in a slot: the text's hash, its number plus one (0: the slot is empty), its place and its
 * length.
 */
const SLOT = 4
const HASH = 0
const NUMBER = 1
const PLACE = 2
const LENGTH = 3
const EMPTY = 0
/** Hash of a number that represents no text. */
const NO_HASH = 0

/**
 * Maps texts to small numbers, so that a number is kept and not a string; also maps all other cells
 * of a column that may hold anything. A text is found by its UTF-8, so no string is made of a known
 * text. It keeps its number while it has a holder, and at least until the next {@link settle}: that
 * forgets the texts without a holder and makes their numbers available again.
 *
 * Open addressing with linear probing; when a text is removed, later entries of its probe sequence
 * move up (Knuth, TAOCP 3, 6.4, algorithm R).
 */
export class Dictionary {
  readonly #pool = new TextPool()
  #slots = new Int32Array(FIRST_SLOTS * SLOT)
  /** Number of slots that hold a text. */
  #used = 0
  /** Cells that are not well-formed texts. */
  readonly #others = new Map<Cell, number>()
  // By number: the hash of a text, the cell of anything else (`null` for a text), and the number of
  // holders.
  readonly #hashes: number[] = []
  readonly #cells: (Cell | null)[] = []
  readonly #holders: number[] = []
  /** Numbers that may have no holder. */
  readonly #unheld: number[] = []
  readonly #free: number[] = []
  readonly #scratch = new TextScratch()

  /** Number of cells that have a number. */
  get size(): number {
    return this.#used + this.#others.size
  }

  /** Approximate memory it takes, bytes. */
  get bytes(): number {
    return this.#pool.bytes + this.#slots.byteLength + NUMBER_BYTES * this.#holders.length
  }

  /** The number of a cell, valid until the next {@link settle} unless it is held. */
  numberOf(cell: Cell): number {
    if (typeof cell !== 'string' || !cell.isWellFormed()) return this.#numberOfOther(cell)
    const length = this.#scratch.write(cell)
    return this.numberOfBytes(this.#scratch.memory, 0, length)
  }

  /** The number of the text whose UTF-8 is at `from` ≤ i < `to`. */
  numberOfBytes(memory: Memory, from: number, to: number): number {
    const hash = hashOf(memory, from, to)
    const length = to - from
    const slots = this.#slots
    const last = slots.length - SLOT
    for (let at = homeOf(hash, last); ; at = (at + SLOT) & last) {
      const number = (slots[at + NUMBER] as number) - 1
      if (number === -1) return this.#add(at, hash, { memory, from, to })
      if (slots[at + HASH] !== hash || slots[at + LENGTH] !== length) continue
      if (this.#pool.isAt(slots[at + PLACE] as number, memory, from, to)) return number
    }
  }

  /** Adds a holder to a number. @returns the number */
  hold(number: number): number {
    this.#holders[number] = (this.#holders[number] as number) + 1
    return number
  }

  /** Removes a holder from a number. */
  release(number: number): void {
    const left = (this.#holders[number] as number) - 1
    if (!(left >= 0)) throw new TidemarkError('INVARIANT', `number ${number} has no holder`)
    this.#holders[number] = left
    if (left === 0) this.#unheld.push(number)
  }

  /**
   * Forgets cells without a holder, checking at most `most` of them; the rest is left for the next
   * call.
   */
  settle(most = Number.POSITIVE_INFINITY): void {
    for (let left = most; left > 0 && this.#unheld.length > 0; left--) {
      const number = this.#unheld.pop() as number
      if (this.#holders[number] !== 0) continue
      this.#forget(number)
      // The number may be in the list twice.
      this.#holders[number] = Number.NaN
      this.#free.push(number)
    }
  }

  /** The cell that a number represents. */
  cellOf(number: number): Cell {
    const cell = this.#cells[number] as Cell | null
    if (cell !== null) return cell
    const at = this.#slotOf(number)
    return this.#pool.text(this.#slots[at + PLACE] as number, this.#slots[at + LENGTH] as number)
  }

  /** Appends the text of a number in UTF-8. Returns false: it represents no well-formed text. */
  appendText(number: number, room: ByteRoom): boolean {
    // A number without a hash may still be that of a text.
    if (this.#hashes[number] === NO_HASH && this.#cells[number] !== null) return false
    const at = this.#slotOf(number)
    this.#pool.appendTo(room, this.#slots[at + PLACE] as number, this.#slots[at + LENGTH] as number)
    return true
  }

  /** The hash of a text, 32 bits; it depends on the text alone. */
  hashOf(number: number): number {
    return (this.#hashes[number] as number) >>> 0
  }

  #numberOfOther(cell: Cell): number {
    const known = this.#others.get(cell)
    if (known !== undefined) return known
    const number = this.#allocate(cell, NO_HASH)
    this.#others.set(cell, number)
    return number
  }

  #add(at: number, hash: number, { memory, from, to }: Bytes): number {
    const number = this.#allocate(null, hash)
    this.#slots[at + HASH] = hash
    this.#slots[at + NUMBER] = number + 1
    this.#slots[at + PLACE] = this.#pool.add(memory, from, to)
    this.#slots[at + LENGTH] = to - from
    this.#used++
    if (this.#used * SLOT * 2 > this.#slots.length) this.#grow()
    return number
  }

  #allocate(cell: Cell | null, hash: number): number {
    const number = this.#free.pop() ?? this.#holders.length
    this.#cells[number] = cell
    this.#hashes[number] = hash
    this.#holders[number] = 0
    this.#unheld.push(number)
    return number
  }

  #forget(number: number): void {
    const cell = this.#cells[number] as Cell | null
    if (cell === null) this.#remove(this.#slotOf(number))
    else this.#others.delete(cell)
    this.#cells[number] = null
  }

  #slotOf(number: number): number {
    const last = this.#slots.length - SLOT
    let at = homeOf(this.#hashes[number] as number, last)
    while (this.#slots[at + NUMBER] !== number + 1) {
      if (this.#slots[at + NUMBER] === EMPTY) {
        throw new TidemarkError('INVARIANT', `number ${number} represents nothing`)
      }
      at = (at + SLOT) & last
    }
    return at
  }

  #remove(slot: number): void {
    const slots = this.#slots
    const last = slots.length - SLOT
    this.#pool.giveBack(slots[slot + PLACE] as number, slots[slot + LENGTH] as number)
    let gap = slot
    for (let at = (gap + SLOT) & last; slots[at + NUMBER] !== EMPTY; at = (at + SLOT) & last) {
      const home = homeOf(slots[at + HASH] as number, last)
      // The entry stays if its home slot is after the gap.
      if (((at - home) & last) < ((at - gap) & last)) continue
      slots.copyWithin(gap, at, at + SLOT)
      gap = at
    }
    slots[gap + NUMBER] = EMPTY
    this.#used--
  }

  #grow(): void {
    const before = this.#slots
    const slots = new Int32Array(before.length * 2)
    const last = slots.length - SLOT
    for (let from = 0; from < before.length; from += SLOT) {
      if (before[from + NUMBER] === EMPTY) continue
      let at = homeOf(before[from + HASH] as number, last)
      while (slots[at + NUMBER] !== EMPTY) at = (at + SLOT) & last
      for (let n = 0; n < SLOT; n++) slots[at + n] = before[from + n] as number
    }
    this.#slots = slots
  }
}

interface Bytes {
  readonly memory: Memory
  readonly from: number
  readonly to: number
}

/** Approximate bytes of what is kept per number. */
const NUMBER_BYTES = 24

/**
 * The home slot of a hash: where it would be if all slots were empty. @param last where the last
 * slot begins
 */
function homeOf(hash: number, last: number): number {
  return Math.imul(hash, SLOT) & last
}
