import { expect, it, test } from 'vitest'
import { ByteRoom, Constant, hashOf, Memory } from '../../src/kernel/bytes.ts'

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

/** The hashes that the reference implementation gives, by seed 0. */
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
