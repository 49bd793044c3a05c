import { expect, test } from 'vitest'
import { Memory } from '../../src/kernel/memory.ts'
import { hashOf } from '../../src/kernel/text-hash.ts'

/** As the reference implementation gives it, by seed 0. */
test.each([
  ['', 0],
  ['hello', 0x248bfa47],
  ['hello, world', 0x149bbb7f],
  ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
])('the hash of "%s" is that of MurmurHash3, wherever it lies', (text, hash) => {
  for (let from = 0; from < 9; from++) {
    const bytes = Buffer.concat([Buffer.alloc(from, 1), Buffer.from(text), Buffer.alloc(5, 1)])
    const memory = new Memory(new Uint8Array(bytes).buffer)
    expect(hashOf(memory, from, from + Buffer.byteLength(text)) >>> 0).toBe(hash)
  }
})
