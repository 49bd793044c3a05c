import type { Memory } from '../kernel/memory.ts'

/** A power of 2. */
const SLOTS = 2 ** 14
/** What is longer hardly comes again, bytes. */
const LONGEST = 64
/** After so many texts it is told whether most of them come again. */
const TRIAL = 2 ** 14
const ASCII = 0x80
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Texts that come again and again, each made once as long as it is remembered: one that is made
 * takes memory, and whatever is looked up by it works out its hash anew. Of a column whose texts
 * mostly differ, as keys do, nothing is remembered: that costs more than it saves. (Hashed by
 * FNV-1a: Fowler, Noll and Vo.)
 */
export class TextCache {
  #texts: string[] | null = new Array<string>(SLOTS).fill('')
  #asked = 0
  #made = 0

  /** The UTF-8 from `from` up to `to`. */
  text(memory: Memory, from: number, to: number): string {
    const texts = this.#texts
    if (texts === null || to - from > LONGEST) return memory.text(from, to)
    const { bytes } = memory
    let hash = FNV_OFFSET
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME)
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const known = texts[slot] as string
    this.#asked++
    if (known.length === to - from && isSame(known, bytes, from)) return known
    const text = memory.text(from, to)
    texts[slot] = text
    this.#made++
    if (this.#asked >= TRIAL && this.#made * 2 > this.#asked) this.#texts = null
    return text
  }
}

/** Of a text beyond ASCII the answer is no. */
function isSame(text: string, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[from + i] as number
    if (byte >= ASCII || text.charCodeAt(i) !== byte) return false
  }
  return true
}
