import type { Memory } from './memory.ts'

const WORD = 4

/**
 * A 32-bit hash of the bytes from `from` up to `to`: MurmurHash3 for x86 (Appleby, public domain),
 * with seed 0.
 */
export function hashOf({ view, bytes }: Memory, from: number, to: number): number {
  let hash = 0
  let at = from
  for (; at <= to - WORD; at += WORD) {
    hash ^= scrambled(view.getInt32(at, true))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let last = to - 1; last >= at; last--) rest = (rest << 8) | (bytes[last] as number)
  hash ^= scrambled(rest) ^ (to - from)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
