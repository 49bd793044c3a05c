import { type KeyedHash, Memory, TextScratch } from '../kernel/bytes.ts'

/** Bytes of a page. A larger entry gets its own. */
const PAGE = 2 ** 20
/** Entries begin at multiples of this, so a place below 2^32 reaches 32 GiB. */
const UNIT = 8
const PAGE_UNITS = PAGE / UNIT
/** The lengths of key and value, before each entry. */
const HEAD = 8
const FIRST_SLOTS = 1_024
const FREE = 0xffff_ffff

interface Page {
  readonly memory: Memory
  used: number
  /** Bytes of entries that are still in the index. */
  live: number
}

/**
 * A map from texts to bytes outside of the heap of V8, so that entries cost the garbage collector
 * nothing: they lie one after the other in pages, and an open-addressing index finds them.
 *
 * A replaced entry leaves a gap. Once the gaps are half as large as the entries, the page with the
 * largest ones is emptied: one page a change, so that no change takes long.
 */
export class RowBytes {
  readonly #hash: KeyedHash
  /** By number; `null`: the number is free. */
  readonly #pages: (Page | null)[] = []
  readonly #scratch = new TextScratch()
  /** Page number; −1: none. */
  #filling = -1
  size = 0
  #live = 0
  #gaps = 0
  /** By slot: the hash of the key, and the place of the entry. */
  #hashes = new Int32Array(FIRST_SLOTS)
  #places = new Uint32Array(FIRST_SLOTS).fill(FREE)

  constructor(hash: KeyedHash) {
    this.#hash = hash
  }

  /** Bytes held, gaps and index included. */
  get bytes(): number {
    const pages = this.#pages.reduce((sum, page) => sum + (page?.memory.bytes.length ?? 0), 0)
    return pages + this.#hashes.byteLength + this.#places.byteLength
  }

  /** The bytes of a key, valid until the next change. */
  get(key: string): Buffer | null {
    const length = this.#scratch.write(key)
    const slot = this.#slotOf(this.#scratch.memory, 0, length)
    if (this.#isFree(slot)) return null
    const place = this.#places[slot] as number
    const { memory, at } = this.#entryAt(place)
    const from = at + HEAD + memory.view.getUint32(at, true)
    return memory.buffer.subarray(from, from + memory.view.getUint32(at + 4, true))
  }

  set(key: string, value: Uint8Array): void {
    const length = this.#scratch.write(key)
    const slot = this.#slotOf(this.#scratch.memory, 0, length)
    const place = this.#append(length, value)
    if (this.#isFree(slot)) {
      this.size++
      this.#hashes[slot] = this.#hash.of(this.#scratch.memory, 0, length)
    } else this.#leaveGap(this.#places[slot] as number)
    this.#places[slot] = place
    if (this.size * 3 > this.#places.length * 2) this.#grow()
    this.#fillGaps()
  }

  delete(key: string): void {
    const length = this.#scratch.write(key)
    const slot = this.#slotOf(this.#scratch.memory, 0, length)
    if (this.#isFree(slot)) return
    this.#leaveGap(this.#places[slot] as number)
    this.size--
    this.#freeSlot(slot)
    this.#fillGaps()
  }

  /** The slot of a key, or the free slot for it. */
  #slotOf(key: Memory, from: number, to: number): number {
    const hash = this.#hash.of(key, from, to)
    const mask = this.#places.length - 1
    let slot = hash & mask
    while (!this.#isFree(slot)) {
      if (this.#hashes[slot] === hash) {
        const { memory, at } = this.#entryAt(this.#places[slot] as number)
        const isAsLong = memory.view.getUint32(at, true) === to - from
        const start = at + HEAD
        if (
          isAsLong &&
          key.buffer.compare(memory.buffer, start, start + to - from, from, to) === 0
        ) {
          break
        }
      }
      slot = (slot + 1) & mask
    }
    return slot
  }

  #isFree(slot: number): boolean {
    return this.#places[slot] === FREE
  }

  #entryAt(place: number): { memory: Memory; at: number } {
    const { memory } = this.#pages[Math.floor(place / PAGE_UNITS)] as Page
    return { memory, at: (place % PAGE_UNITS) * UNIT }
  }

  /** Writes an entry whose key is in the scratch. @returns its place */
  #append(keyLength: number, value: Uint8Array): number {
    const size = sizeOf(keyLength, value.length)
    const number = this.#pageFor(size)
    const page = this.#pages[number] as Page
    const at = page.used
    const { view, bytes } = page.memory
    view.setUint32(at, keyLength, true)
    view.setUint32(at + 4, value.length, true)
    bytes.set(this.#scratch.memory.bytes.subarray(0, keyLength), at + HEAD)
    bytes.set(value, at + HEAD + keyLength)
    this.#use(page, size)
    return number * PAGE_UNITS + at / UNIT
  }

  #use(page: Page, size: number): void {
    page.used += size
    page.live += size
    this.#live += size
  }

  #pageFor(size: number): number {
    if (size > PAGE) return this.#addPage(size)
    const page = this.#pages[this.#filling]
    if (page == null || page.used + size > PAGE) this.#filling = this.#addPage(PAGE)
    return this.#filling
  }

  #addPage(size: number): number {
    const free = this.#pages.indexOf(null)
    const number = free === -1 ? this.#pages.length : free
    this.#pages[number] = { memory: new Memory(new ArrayBuffer(size)), used: 0, live: 0 }
    return number
  }

  #freePage(number: number): void {
    this.#gaps -= (this.#pages[number] as Page).used
    this.#pages[number] = null
  }

  #leaveGap(place: number): void {
    const number = Math.floor(place / PAGE_UNITS)
    const { memory, at } = this.#entryAt(place)
    const size = sizeOf(memory.view.getUint32(at, true), memory.view.getUint32(at + 4, true))
    const page = this.#pages[number] as Page
    page.live -= size
    this.#live -= size
    this.#gaps += size
    if (page.live === 0 && number !== this.#filling) this.#freePage(number)
  }

  #fillGaps(): void {
    if (this.#gaps < PAGE || this.#gaps * 2 < this.#live) return
    let emptiest = -1
    let most = 0
    for (let number = 0; number < this.#pages.length; number++) {
      const page = this.#pages[number]
      if (page == null || number === this.#filling) continue
      if (page.used - page.live <= most) continue
      most = page.used - page.live
      emptiest = number
    }
    if (emptiest !== -1) this.#empty(emptiest)
  }

  /** Moves the live entries of a page to the page that is being filled. */
  #empty(number: number): void {
    const { memory, used } = this.#pages[number] as Page
    const { view, bytes } = memory
    for (let at = 0; at < used; ) {
      const keyLength = view.getUint32(at, true)
      const size = sizeOf(keyLength, view.getUint32(at + 4, true))
      const slot = this.#slotOf(memory, at + HEAD, at + HEAD + keyLength)
      if (this.#places[slot] === number * PAGE_UNITS + at / UNIT) {
        const to = this.#pageFor(size)
        const page = this.#pages[to] as Page
        page.memory.bytes.set(bytes.subarray(at, at + size), page.used)
        this.#places[slot] = to * PAGE_UNITS + page.used / UNIT
        this.#use(page, size)
        this.#live -= size
        this.#gaps += size
      }
      at += size
    }
    this.#freePage(number)
  }

  /** Frees a slot and closes the gap in its probe sequences (Knuth 6.4, algorithm R). */
  #freeSlot(freed: number): void {
    const mask = this.#places.length - 1
    let gap = freed
    for (let slot = (gap + 1) & mask; !this.#isFree(slot); slot = (slot + 1) & mask) {
      const home = (this.#hashes[slot] as number) & mask
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue
      this.#hashes[gap] = this.#hashes[slot] as number
      this.#places[gap] = this.#places[slot] as number
      gap = slot
    }
    this.#places[gap] = FREE
  }

  #grow(): void {
    const [hashes, places] = [this.#hashes, this.#places]
    this.#hashes = new Int32Array(hashes.length * 2)
    this.#places = new Uint32Array(places.length * 2).fill(FREE)
    const mask = this.#places.length - 1
    for (let from = 0; from < places.length; from++) {
      if (places[from] === FREE) continue
      let slot = (hashes[from] as number) & mask
      while (!this.#isFree(slot)) slot = (slot + 1) & mask
      this.#hashes[slot] = hashes[from] as number
      this.#places[slot] = places[from] as number
    }
  }
}

function sizeOf(keyLength: number, valueLength: number): number {
  return Math.ceil((HEAD + keyLength + valueLength) / UNIT) * UNIT
}
