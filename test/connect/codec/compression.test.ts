import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import * as fc from 'fast-check'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { codecOf, pack } from '../../../src/connect/kafka/codec/compression.ts'
import { unpackFrameInJs, unpackZstd } from '../../../src/connect/kafka/codec/zlib.ts'
import { messageOf } from '../../../src/kernel/errors.ts'
import { COMPRESSIONS } from '../../../src/kernel/kafka.ts'
import { COMPRESSION_NUMBERS, NODE_HAS_ZSTD, WRITABLE } from '../../support/compressions.ts'

const { gzip: GZIP, snappy: SNAPPY, lz4: LZ4, zstd: ZSTD } = COMPRESSION_NUMBERS

/** Something to compress, and something not. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 400 })))
  .map((runs) =>
    Buffer.concat(runs.flatMap(([run, times]) => Array.from({ length: times }, () => run))),
  )

/** Packs like Java's library: a header, then blocks, each after its length. */
function xerial(blocks: readonly Buffer[]): Buffer {
  const header = Buffer.from('82534e41505059000000000100000001', 'hex')
  return Buffer.concat([
    header,
    ...blocks.flatMap((block) => {
      const packed = compressSync(block)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(packed.length)
      return [length, packed]
    }),
  ])
}

/** The bytes of a fixture's log behind the header of its first batch. */
function packedIn(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, 'fixtures', `${name}.log`)).subarray(61)
}

/** A frame of blocks in which one byte is repeated: 128 KiB for four bytes. */
function zstdBomb(blocks: number, window = 0x58): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, window])
  const size = 128 * 1024
  const block = (isLast: number) =>
    Buffer.from([((size << 3) & 255) | 2 | isLast, (size >> 5) & 255, (size >> 13) & 255, 7])
  const all = Array.from({ length: blocks }, (_, i) => block(i === blocks - 1 ? 1 : 0))
  return Buffer.concat([header, ...all])
}

/**
 * A frame of one block that ends in a match as long as it gets: 64 KiB for 261 bytes, again and
 * again.
 */
function lz4Bomb(blocks: number): Buffer {
  const block = Buffer.concat([
    Buffer.from([0x1f, 0, 1, 0]),
    Buffer.alloc(256, 255),
    Buffer.from([0]),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(block.length)
  const all = Array.from({ length: blocks }, () => Buffer.concat([length, block]))
  return Buffer.concat([Buffer.from('04224d18604000', 'hex'), ...all, Buffer.alloc(4)])
}

/** The result of the work, or the message of its error. */
function orMessage(work: () => unknown): unknown {
  try {
    return work()
  } catch (thrown) {
    return messageOf(thrown)
  }
}

describe('compression', () => {
  test('has the names and numbers of Kafka', () => {
    expect(Object.fromEntries(COMPRESSIONS.map((name, number) => [name, number]))).toEqual(
      COMPRESSION_NUMBERS,
    )
  })

  test('of any bytes is undone', () => {
    fc.assert(
      fc.property(content, fc.constantFrom(...WRITABLE), (bytes, kind) => {
        const packed = pack(kind, bytes)
        if (packed === null) return
        expect(packed.bytes.length).toBeLessThan(bytes.length)
        expect(codecOf(packed.number).unpack(packed.bytes, bytes.length).equals(bytes)).toBe(true)
      }),
    )
  })

  test('makes less of what repeats, under the number of the protocol', () => {
    const bytes = Buffer.alloc(300_000, 'again and again ')
    const numbers = WRITABLE.map((kind) => [kind, pack(kind, bytes)?.number ?? 0])
    expect(COMPRESSION_NUMBERS).toMatchObject(Object.fromEntries(numbers))
    expect(numbers).toHaveLength(NODE_HAS_ZSTD ? 5 : 4)
  })

  test('with zstd is refused where Node does not have it', () => {
    const refusal = `Node ${process.versions.node} has no zstd`
    const packed = orMessage(() => pack('zstd', Buffer.alloc(100))?.number)
    expect(packed).toBe(NODE_HAS_ZSTD ? ZSTD : refusal)
  })

  test("with lz4 has blocks of their own, which is all that Java's reader takes", () => {
    const bytes = Buffer.concat(Array.from({ length: 9 }, () => Buffer.alloc(1_000_000, 'abcdefg')))
    const flags = pack('lz4', bytes)?.bytes[4] ?? 0
    expect(flags & 0b1110_0001).toBe(0b0110_0000)
  })

  test("with snappy is in the frame of Java's library", () => {
    const packed = pack('snappy', Buffer.alloc(1_000))?.bytes ?? Buffer.alloc(0)
    expect(packed).toEqual(xerial([Buffer.alloc(1_000)]))
  })

  test.each([
    ['java-gzip', GZIP],
    ['java-snappy', SNAPPY],
    ['java-lz4', LZ4],
    ['java-zstd', ZSTD],
  ])(
    'of %s is undone in the same way while others go on, within the same limit',
    async (name, number) => {
      const packed = packedIn(name)
      const plain = codecOf(number).unpack(packed, 2 ** 20)
      expect(await codecOf(number).unpackApart(packed, plain.length)).toEqual(plain)
      const short = codecOf(number).unpackApart(packed, plain.length - 1)
      await expect(short).rejects.toThrow(/unpacks to more than/)
    },
  )

  test("in the frame of Java's snappy is undone, whatever its blocks", () => {
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 4 }), (blocks) => {
        const bytes = Buffer.concat(blocks)
        expect(codecOf(SNAPPY).unpack(xerial(blocks), bytes.length).equals(bytes)).toBe(true)
      }),
    )
  })

  test.each([
    ['gzip', GZIP, zlib.gzipSync(Buffer.alloc(4_000_000))],
    ['snappy', SNAPPY, compressSync(Buffer.alloc(4_000_000))],
    ['snappy in blocks', SNAPPY, xerial([Buffer.alloc(900_000), Buffer.alloc(900_000)])],
    ['lz4', LZ4, lz4Bomb(40)],
    ['zstd', ZSTD, zstdBomb(40)],
  ])('by %s that unpacks to more than the limit is refused', (_, number, packed) => {
    expect(packed.length).toBeLessThan(250_000)
    expect(() => codecOf(number).unpack(packed, 1_000_000)).toThrow(/unpacks to more than/)
    expect(codecOf(number).unpack(packed, 6_000_000).length).toBeGreaterThan(1_000_000)
  })

  test.each([
    ['gzip', GZIP, zlib.gzipSync(Buffer.alloc(60_000_000))],
    ['snappy', SNAPPY, compressSync(Buffer.alloc(60_000_000))],
    ['lz4', LZ4, lz4Bomb(900)],
    ['zstd', ZSTD, zstdBomb(450)],
  ])(
    'by %s to tens of megabytes lets others have their turn meanwhile',
    async (_, number, packed) => {
      let turns = 0
      const timer = setInterval(() => turns++, 1)
      const unpacked = await codecOf(number).unpackApart(packed, 64 * 2 ** 20)
      clearInterval(timer)
      expect(unpacked.length).toBeGreaterThan(50_000_000)
      expect(turns).toBeGreaterThan(3)
    },
  )

  test.each([
    ['cut off', xerial([Buffer.alloc(100)]).subarray(0, -1)],
    ['cut off in a length', xerial([Buffer.alloc(100)]).subarray(0, 18)],
    ['without a length', Buffer.alloc(20, 0xff)],
  ])('by snappy, %s, is refused', (_, packed) => {
    expect(() => codecOf(SNAPPY).unpack(packed, 1_000)).toThrow(/snappy/)
  })
})

describe.each([
  ['on this Node', undefined],
  ['in JavaScript', unpackFrameInJs],
])('zstd %s', (_, unpackFrame) => {
  const unzstd = (packed: Buffer, maxBytes: number) => unpackZstd(packed, maxBytes, unpackFrame)

  test.each(['java-zstd', 'librdkafka-zstd'])('reads %s', (name) => {
    const plain = packedIn(name.replace('zstd', 'none'))
    expect(unzstd(packedIn(name), plain.length)).toEqual(plain)
    expect(() => unzstd(packedIn(name), plain.length - 1)).toThrow(/unpacks to more than/)
  })

  test('reads frames that follow each other', () => {
    const packed = packedIn('java-zstd')
    const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    const twice = unzstd(Buffer.concat([packed, skippable, packed]), 100_000)
    const plain = packedIn('java-none')
    expect(twice).toEqual(Buffer.concat([plain, plain]))
  })

  test('refuses a window above 128 MiB, in any frame', () => {
    const huge = zstdBomb(1, 0xa0)
    expect(() => unzstd(huge, 2 ** 30)).toThrow('the zstd window of')
    expect(() => unzstd(Buffer.concat([packedIn('java-zstd'), huge]), 2 ** 30)).toThrow(
      'the zstd window of',
    )
  })

  test('refuses what is cut off', () => {
    const packed = packedIn('java-zstd')
    for (let bytes = 1; bytes < packed.length; bytes++) {
      expect(() => unzstd(packed.subarray(0, bytes), 100_000)).toThrow(/./)
    }
  })
})
