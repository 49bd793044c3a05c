import type { Memory } from '../kernel/bytes.ts'

/** A power of 2. */
const SLOTS = 2 ** 14
/** Longer texts rarely repeat. Bytes. */
const LONGEST = 64
/** After this many texts the cache decides whether most of them repeat. */
const TRIAL = 2 ** 14
const ASCII = 0x80
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Caches texts that repeat: each is created once while it is cached. A new string takes memory, and
 * every lookup by it computes its hash again. For a column whose texts mostly differ, as keys do,
 * nothing is cached: that would cost more than it saves. (Hashed by FNV-1a: Fowler, Noll and Vo.)
 */
export class TextCache {
  #texts: string[] | null = new Array<string>(SLOTS).fill('')
  #asked = 0
  #made = 0

  /** The text whose UTF-8 is at `from` ≤ i < `to`. */
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

/** Returns false for a text that is not ASCII. */
function isSame(text: string, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[from + i] as number
    if (byte >= ASCII || text.charCodeAt(i) !== byte) return false
  }
  return true
}
