import { type ByteRoom, type KeyedHash, Memory, TextScratch } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Cell } from '../../topology/definition.ts'
import { atOf, isShared, pageNumberOf, Slabs } from './slabs.ts'

const FIRST_SLOTS = 64
/** Offsets in a slot. A text's number is stored plus one, so that 0 means an empty slot. */
const SLOT = 4
const HASH = 0
const NUMBER = 1
const PLACE = 2
const LENGTH = 3
const EMPTY = 0
/** Hash of a number that stands for no text. */
const NO_HASH = 0

/**
 * Numbers for texts, and for all other cells of a column. A text is found by its UTF-8, so no
 * string is made of a known one. A number without a holder is valid until the next {@link expire}.
 *
 * Open addressing with linear probing; a removal moves later entries up (Knuth, TAOCP 3, 6.4,
 * algorithm R).
 */
export class Dictionary {
  readonly hash: KeyedHash
  readonly #pool = new TextPool()
  #slots = new Int32Array(FIRST_SLOTS * SLOT)
  #used = 0
  /**
   * Numbers of the cells that are not well-formed texts. That of a number is under a text, because V8
   * hashes texts with a secret and numbers without.
   */
  readonly #others = new Map<Cell, number>()
  // By number. The cell of a text is `null`.
  readonly #hashes: number[] = []
  readonly #cells: (Cell | null)[] = []
  readonly #holders: number[] = []
  /** May contain a number twice, or one that is held again. */
  readonly #unheld: number[] = []
  readonly #free: number[] = []
  readonly #scratch = new TextScratch()

  constructor(hash: KeyedHash) {
    this.hash = hash
  }

  get size(): number {
    return this.#used + this.#others.size
  }

  get bytes(): number {
    return this.#pool.bytes + this.#slots.byteLength + NUMBER_BYTES * this.#holders.length
  }

  numberOf(cell: Cell): number {
    if (typeof cell !== 'string' || !cell.isWellFormed()) return this.#numberOfOther(cell)
    const length = this.#scratch.write(cell)
    return this.numberOfBytes(this.#scratch.memory, 0, length)
  }

  numberOfBytes(memory: Memory, from: number, to: number): number {
    const hash = this.hash.of(memory, from, to)
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

  hold(number: number): number {
    this.#holders[number] = (this.#holders[number] as number) + 1
    return number
  }

  release(number: number): void {
    const left = (this.#holders[number] as number) - 1
    if (!(left >= 0)) throw new TidemarkError('INVARIANT', `number ${number} has no holder`)
    this.#holders[number] = left
    if (left === 0) this.#unheld.push(number)
  }

  /** Forgets cells without a holder, at most `most` of them; later calls forget the rest. */
  expire(most = Number.POSITIVE_INFINITY): void {
    for (let left = most; left > 0 && this.#unheld.length > 0; left--) {
      const number = this.#unheld.pop() as number
      if (this.#holders[number] !== 0) continue
      this.#forget(number)
      this.#holders[number] = Number.NaN
      this.#free.push(number)
    }
  }

  cellOf(number: number): Cell {
    const cell = this.#cells[number] as Cell | null
    if (cell !== null) return cell
    const at = this.#slotOf(number)
    return this.#pool.text(this.#slots[at + PLACE] as number, this.#slots[at + LENGTH] as number)
  }

  /** Appends a number's UTF-8. @returns false: it is no well-formed text */
  appendText(number: number, room: ByteRoom): boolean {
    // A text may have this hash too.
    if (this.#hashes[number] === NO_HASH && this.#cells[number] !== null) return false
    const at = this.#slotOf(number)
    this.#pool.appendTo(room, this.#slots[at + PLACE] as number, this.#slots[at + LENGTH] as number)
    return true
  }

  /** 32 bits that depend on the text and the secret alone. */
  hashOf(number: number): number {
    return (this.#hashes[number] as number) >>> 0
  }

  #numberOfOther(cell: Cell): number {
    const known = this.#others.get(nameOf(cell))
    if (known !== undefined) return known
    const number = this.#allocate(cell, NO_HASH)
    this.#others.set(nameOf(cell), number)
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
    else this.#others.delete(nameOf(cell))
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

/** No text that is not well-formed is equal to it. */
function nameOf(cell: Cell): Cell {
  return typeof cell === 'number' ? `number ${cell}` : cell
}

interface Bytes {
  readonly memory: Memory
  readonly from: number
  readonly to: number
}

const NUMBER_BYTES = 24

/** Where a hash would be if all slots were empty. */
function homeOf(hash: number, last: number): number {
  return Math.imul(hash, SLOT) & last
}

/** Bytes of a number in a slab. */
const UNIT = 8
const WORD = 4

/** UTF-8 texts in slabs. The garbage collector would have to scan a string per text. */
class TextPool {
  readonly #slabs = new Slabs()
  readonly #pages: (Memory | undefined)[] = []

  /** Includes the padding between texts. */
  get bytes(): number {
    return this.#slabs.bytes
  }

  add({ bytes }: Memory, from: number, to: number): number {
    const place = this.#slabs.allocate(unitsOf(to - from))
    const page = this.#newPageOf(place).bytes
    const at = byteOf(place)
    for (let i = from; i < to; i++) page[at + i - from] = bytes[i] as number
    return place
  }

  giveBack(place: number, length: number): void {
    this.#slabs.giveBack(place, unitsOf(length))
    if (!isShared(unitsOf(length))) this.#pages[pageNumberOf(place)] = undefined
  }

  /** Compares with the text at a place, which must have the same length. */
  isAt(place: number, { view, bytes }: Memory, from: number, to: number): boolean {
    const page = this.#pageOf(place)
    let at = byteOf(place)
    let i = from
    for (; i <= to - WORD; i += WORD, at += WORD) {
      if (page.view.getInt32(at) !== view.getInt32(i)) return false
    }
    for (; i < to; i++, at++) if (page.bytes[at] !== bytes[i]) return false
    return true
  }

  text(place: number, length: number): string {
    const at = byteOf(place)
    return this.#pageOf(place).text(at, at + length)
  }

  appendTo(room: ByteRoom, place: number, length: number): void {
    const at = byteOf(place)
    room.copy(this.#pageOf(place), at, at + length)
  }

  #newPageOf(place: number): Memory {
    const number = pageNumberOf(place)
    const page = this.#pages[number] ?? new Memory(this.#slabs.pageOf(place).buffer)
    this.#pages[number] = page
    return page
  }

  #pageOf(place: number): Memory {
    return this.#pages[pageNumberOf(place)] as Memory
  }
}

function byteOf(place: number): number {
  return atOf(place) * UNIT
}

function unitsOf(length: number): number {
  return Math.max(1, Math.ceil(length / UNIT))
}
