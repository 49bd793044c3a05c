import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { ByteRoom, Constant, KeyedHash, Memory } from '../../src/kernel/bytes.ts'
import { seeded } from '../../src/kernel/random.ts'
import { HASH } from '../support/hash.ts'
import { keysOfOneHash } from '../support/keys-of-one-hash.ts'
import { runs } from '../support/runs.ts'

const RUN = Buffer.from('0123456789'.repeat(100))
const MEMORY = new Memory(new Uint8Array(RUN).buffer)

it('keeps what was written when it grows', () => {
  const room = new ByteRoom()
  const wanted: Buffer[] = []
  for (let length = 0; length < 600; length++) {
    const run = RUN.subarray(length % 7, (length % 7) + length)
    room.constant(new Constant(run.toString()))
    room.byte(0x2c)
    room.copy(MEMORY, length % 7, (length % 7) + length)
    wanted.push(run, Buffer.from(','), run)
  }
  expect(room.bytes.toString('latin1', 0, room.used)).toBe(Buffer.concat(wanted).toString('latin1'))
})

it('has room for as much as is asked for, however much that is', () => {
  const room = new ByteRoom()
  room.byte(0x5b)
  room.reserve(1_000_000)
  expect(room.bytes.length - room.used).toBeGreaterThanOrEqual(1_000_000)
  expect(room.bytes[0]).toBe(0x5b)
})

it('is written again from the front, in the same memory', () => {
  const room = new ByteRoom()
  room.copy(MEMORY, 0, 1_000)
  const { bytes } = room
  room.clear()
  room.constant(new Constant('{}'))
  expect(room.bytes).toBe(bytes)
  expect(room.bytes.toString('latin1', 0, room.used)).toBe('{}')
})

it('copies any bytes, those too that would be a NaN', () => {
  const patterns = [
    [0xff, 0xff],
    [0xf4, 0x7f],
    [0xf0, 0x7f],
    [0xf8, 0xff],
    [0x00, 0x80],
  ]
  const odd = Buffer.concat(patterns.map((ends) => Buffer.from([1, 2, 3, 4, 5, 6, ...ends])))
  const memory = new Memory(new Uint8Array(Buffer.concat([odd, RUN])).buffer)
  for (let from = 0; from < 9; from++) {
    const room = new ByteRoom()
    room.copy(memory, from, odd.length)
    room.constant(new Constant(odd.subarray(from)))
    const wanted = Buffer.concat([odd.subarray(from), odd.subarray(from)])
    expect(room.bytes.subarray(0, room.used).toString('hex')).toBe(wanted.toString('hex'))
  }
})

test('equal bytes have one hash wherever they lie, and others have another', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  fc.assert(
    fc.property(bytes, bytes, fc.nat(8), (one, other, from) => {
      const before = Buffer.alloc(from, 1)
      const at = hashOf(HASH, Buffer.concat([before, one]), from)
      expect(at).toBe(hashOf(HASH, one))
      expect(at === hashOf(HASH, other)).toBe(Buffer.compare(one, other) === 0)
    }),
    { numRuns: runs(200) },
  )
})

function hashOf(hash: KeyedHash, bytes: Uint8Array, from = 0): number {
  const memory = new Memory(Uint8Array.from(bytes).buffer)
  return hash.of(memory, from, bytes.length)
}

describe('keys that were chosen without the secret collide as little as any', () => {
  const KEYS = 1_024
  const many = <T>(of: (i: number) => T) => Array.from({ length: KEYS }, (_, i) => of(i))
  const words = (...all: number[]) => Buffer.from(Int32Array.from(all).buffer)
  /** A key for each choice between two forms of every part. */
  const choices = (part: (bit: number, at: number) => number[]) =>
    many((i) => words(...Array.from({ length: 10 }, (_, at) => part((i >> at) & 1, at)).flat()))
  const WORD = 0x9e3779b9

  test.each<[string, readonly Uint8Array[]]>([
    ['of one MurmurHash3', keysOfOneHash(KEYS).map((key) => Buffer.from(key))],
    ['that count', many((i) => Buffer.from(`k${1_000_000 + i}`))],
    ['that differ in one word', many((i) => words(WORD, i << 20))],
    ['that differ in two words alike', many((i) => words(i, i))],
    ['with opposite differences', many((i) => words(WORD + i, WORD - i))],
    ['with other top bits', choices((bit, at) => [(WORD * at) ^ (bit << 31)])],
    [
      'with top bits in pairs of words',
      choices((bit, at) => [at ^ (bit << 31), ~at ^ (bit << 31)]),
    ],
    ['of swapped words', choices((bit) => (bit === 0 ? [1, WORD] : [WORD, 1]))],
    ['of negated words', choices((bit) => (bit === 0 ? [1, WORD] : [~1, ~WORD]))],
    ['with few bits', many((i) => words(1 << i, 1 << (i >> 5), i >> 10))],
    ['of zeros, each longer', many((i) => new Uint8Array(i))],
    ['behind many zeros', many((i) => Buffer.concat([Buffer.alloc(1_024), words(i)]))],
    [
      'behind many even words',
      many((i) => Buffer.concat([Buffer.alloc(512, 0x40), words(i << 8)])),
    ],
  ])('keys %s', (_, keys) => {
    const random = seeded(7)
    for (let secret = 0; secret < 4; secret++) {
      const hash = new KeyedHash(Array.from({ length: 4 }, () => random() * 2 ** 32))
      const hashes = keys.map((key) => hashOf(hash, key))
      expect(probes(hashes)).toBeLessThan(1)
    }
  })

  test('numbers that a known multiplier would put into a sixteenth of a table', () => {
    const numbers: number[] = []
    for (let n = 0; numbers.length < KEYS; n++) {
      const product = Math.imul(n, 0x9e3779b1)
      if (((product ^ (product >>> 15)) & (2 * KEYS - 1)) < KEYS / 8) numbers.push(n)
    }
    expect(probes(numbers.map((n) => HASH.ofNumber(n)))).toBeLessThan(1)
  })

  /** Slots that are passed per key, in a table half full; 0.5 by chance. */
  function probes(hashes: readonly number[]): number {
    const last = 2 * KEYS - 1
    const taken = new Uint8Array(last + 1)
    let passed = 0
    for (const hash of hashes) {
      let slot = hash & last
      for (; taken[slot] === 1; passed++) slot = (slot + 1) & last
      taken[slot] = 1
    }
    return passed / hashes.length
  }
})
