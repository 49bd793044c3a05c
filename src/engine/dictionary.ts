import { TidemarkError } from '../kernel/errors.ts'
import type { Memory } from '../kernel/memory.ts'
import { hashOf } from '../kernel/text-hash.ts'
import { TextScratch } from '../kernel/text-scratch.ts'
import type { Cell } from '../topology/definition.ts'
import { TextPool } from './text-pool.ts'

/** A power of 2, as all later ones. */
const FIRST_SLOTS = 64
/**
 * Numbers of a slot: the text's hash, one more than its number (0: the slot is empty), its place
 * and its length.
 */
const SLOT = 4
const HASH = 0
const NUMBER = 1
const PLACE = 2
const LENGTH = 3
const EMPTY = 0
/** Of a number that stands for no text. */
const NO_HASH = 0

/**
 * Small numbers for texts, so that whoever keeps one keeps a number and not a string; and for all
 * cells of a column that may hold anything. A text is found by its UTF-8, so that no string is made
 * of one that is known. It keeps its number as long as somebody holds it, and at least until {@link
 * settle}: then those that nobody holds are forgotten, and their numbers are used again.
 *
 * Open addressing with linear probing; what lies behind a text that goes moves up (Knuth, TAOCP 3,
 * 6.4, algorithm R).
 */
export class Dictionary {
  readonly #pool = new TextPool()
  #slots = new Int32Array(FIRST_SLOTS * SLOT)
  /** Slots that hold a text. */
  #used = 0
  /** What is no well-formed text. */
  readonly #others = new Map<Cell, number>()
  // By number: of a text its hash, of what is none the cell, and how many hold it.
  readonly #hashes: number[] = []
  readonly #cells: (Cell | null)[] = []
  readonly #holders: number[] = []
  /** Numbers that nobody may be holding. */
  readonly #unheld: number[] = []
  readonly #free: number[] = []
  readonly #scratch = new TextScratch()

  /** Cells that have a number. */
  get size(): number {
    return this.#used + this.#others.size
  }

  /** What it takes, bytes, about. */
  get bytes(): number {
    return this.#pool.bytes + this.#slots.byteLength + NUMBER_BYTES * this.#holders.length
  }

  /** The number of a cell, for the time being. */
  numberOf(cell: Cell): number {
    if (typeof cell !== 'string' || !cell.isWellFormed()) return this.#numberOfOther(cell)
    const length = this.#scratch.write(cell)
    return this.numberOfBytes(this.#scratch.memory, 0, length)
  }

  /** The same for the UTF-8 from `from` up to `to`. */
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

  /** One more holds a number that stands for something. */
  hold(number: number): number {
    this.#holders[number] = (this.#holders[number] as number) + 1
    return number
  }

  /** One less does. */
  release(number: number): void {
    const left = (this.#holders[number] as number) - 1
    if (!(left >= 0)) throw new TidemarkError('INVARIANT', `nobody holds number ${number}`)
    this.#holders[number] = left
    if (left === 0) this.#unheld.push(number)
  }

  /**
   * Forgets what nobody holds, looking at no more than `most`: the rest is left to the next time.
   */
  settle(most = Number.POSITIVE_INFINITY): void {
    for (let left = most; left > 0 && this.#unheld.length > 0; left--) {
      const number = this.#unheld.pop() as number
      if (this.#holders[number] !== 0) continue
      this.#forget(number)
      // It may be among them twice.
      this.#holders[number] = Number.NaN
      this.#free.push(number)
    }
  }

  /** What a number stands for. */
  cellOf(number: number): Cell {
    const cell = this.#cells[number] as Cell | null
    if (cell !== null) return cell
    const at = this.#slotOf(number)
    return this.#pool.text(this.#slots[at + PLACE] as number, this.#slots[at + LENGTH] as number)
  }

  /** Of a text: 32 bits, the same wherever it is met. */
  hashOf(number: number): number {
    return (this.#hashes[number] as number) >>> 0
  }

  #numberOfOther(cell: Cell): number {
    const known = this.#others.get(cell)
    if (known !== undefined) return known
    const number = this.#take(cell, NO_HASH)
    this.#others.set(cell, number)
    return number
  }

  #add(at: number, hash: number, { memory, from, to }: Bytes): number {
    const number = this.#take(null, hash)
    this.#slots[at + HASH] = hash
    this.#slots[at + NUMBER] = number + 1
    this.#slots[at + PLACE] = this.#pool.add(memory, from, to)
    this.#slots[at + LENGTH] = to - from
    this.#used++
    if (this.#used * SLOT * 2 > this.#slots.length) this.#grow()
    return number
  }

  #take(cell: Cell | null, hash: number): number {
    const number = this.#free.pop() ?? this.#holders.length
    this.#cells[number] = cell
    this.#hashes[number] = hash
    this.#holders[number] = 0
    this.#unheld.push(number)
    return number
  }

  #forget(number: number): void {
    const cell = this.#cells[number] as Cell | null
    if (cell === null) this.#takeOut(this.#slotOf(number))
    else this.#others.delete(cell)
    this.#cells[number] = null
  }

  #slotOf(number: number): number {
    const last = this.#slots.length - SLOT
    let at = homeOf(this.#hashes[number] as number, last)
    while (this.#slots[at + NUMBER] !== number + 1) {
      if (this.#slots[at + NUMBER] === EMPTY) {
        throw new TidemarkError('INVARIANT', `number ${number} stands for nothing`)
      }
      at = (at + SLOT) & last
    }
    return at
  }

  #takeOut(slot: number): void {
    const slots = this.#slots
    const last = slots.length - SLOT
    this.#pool.giveBack(slots[slot + PLACE] as number, slots[slot + LENGTH] as number)
    let gap = slot
    for (let at = (gap + SLOT) & last; slots[at + NUMBER] !== EMPTY; at = (at + SLOT) & last) {
      const home = homeOf(slots[at + HASH] as number, last)
      // It stays if its home lies behind the gap.
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

/** Of what is kept by number. */
const NUMBER_BYTES = 24

/**
 * Where a text of a hash would lie if all slots were empty. @param last where the last slot begins
 */
function homeOf(hash: number, last: number): number {
  return Math.imul(hash, SLOT) & last
}
