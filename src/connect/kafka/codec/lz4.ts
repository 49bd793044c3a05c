import { createRequire } from 'node:module'
import { atOnce, inTurns } from '../../../kernel/slices.ts'
import { corrupt, unpacksTooLarge } from './batch-header.ts'

// LZ4 frames. They are written by lz4-napi, and read by our own code, because the package has no
// limit on the unpacked size, stops after the first frame, and is slower. Checksums are neither
// written nor read: the batch has its own.

const load = createRequire(import.meta.url)

const FRAME = 0x184d2204
/** Magic number of skippable frames; its last four bits vary. */
const SKIPPABLE = 0x184d2a50
const VERSION = 1
const HAS_BLOCK_CHECKSUMS = 1 << 4
const HAS_CONTENT_SIZE = 1 << 3
const HAS_CONTENT_CHECKSUM = 1 << 2
const HAS_DICTIONARY = 1
const STORED = 1 << 31
const SHORTEST_MATCH = 4
const LARGEST_RATIO = 255
/** Shorter runs are copied byte by byte, which is faster. */
const LONG = 32

export const LZ4 = {
  /** Packs into one frame of independent blocks, the only ones that Java's client reads. */
  pack: (bytes: Buffer): Buffer => {
    const { compressFrameSync } = load('lz4-napi') as typeof import('lz4-napi')
    return compressFrameSync(bytes)
  },
  unpack: (packed: Buffer, maxBytes: number) => atOnce(unpackFrames(packed, maxBytes)),
  unpackApart: (packed: Buffer, maxBytes: number) => inTurns(unpackFrames(packed, maxBytes)),
}

/** @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE` */
function* unpackFrames(packed: Buffer, maxBytes: number): Generator<void, Buffer> {
  const unpacker = new Unpacker(packed, maxBytes)
  do yield* unpacker.frame()
  while (unpacker.at < packed.length)
  return unpacker.output()
}

class Unpacker {
  at = 0
  readonly #packed: Buffer
  readonly #maxBytes: number
  #out: Buffer
  #end = 0

  constructor(packed: Buffer, maxBytes: number) {
    this.#packed = packed
    this.#maxBytes = maxBytes
    this.#out = Buffer.allocUnsafe(Math.min(4 * packed.length, maxBytes))
  }

  output(): Buffer {
    return this.#out.subarray(0, this.#end)
  }

  *frame(): Generator<void, void> {
    const magic = this.#uint32()
    if ((magic & ~15) === SKIPPABLE) {
      const bytes = this.#uint32()
      this.at += bytes
      return
    }
    if (magic !== FRAME) throw corrupt('the data is not an LZ4 frame')
    const flags = this.#byte()
    const sizeCode = (this.#byte() >>> 4) & 7
    if (flags >>> 6 !== VERSION || sizeCode < 4) throw corrupt('an LZ4 frame of an unknown kind')
    if (flags & HAS_DICTIONARY) throw corrupt('an LZ4 frame that needs a dictionary')
    // The header ends with its own checksum, one byte.
    this.at += (flags & HAS_CONTENT_SIZE ? 8 : 0) + 1
    yield* this.#blocks(1 << (8 + 2 * sizeCode), flags & HAS_BLOCK_CHECKSUMS ? 4 : 0)
    if (flags & HAS_CONTENT_CHECKSUM) this.at += 4
  }

  *#blocks(maxBlockBytes: number, checksumBytes: number): Generator<void, void> {
    for (let header = this.#uint32(); header !== 0; header = this.#uint32()) {
      const bytes = header & ~STORED
      const to = this.at + bytes
      if (to > this.#packed.length) throw corrupt('an LZ4 block is cut off')
      const isStored = (header & STORED) !== 0
      const most = isStored ? bytes : Math.min(bytes * LARGEST_RATIO, maxBlockBytes)
      this.#reserve(most)
      if (isStored) this.#store(to)
      else this.#sequences(to, Math.min(this.#end + most, this.#out.length))
      this.at = to + checksumBytes
      yield
    }
  }

  #store(to: number): void {
    if (this.#end + to - this.at > this.#out.length) throw unpacksTooLarge(this.#maxBytes)
    this.#end += this.#packed.copy(this.#out, this.#end, this.at, to)
  }

  #sequences(to: number, limit: number): void {
    const packed = this.#packed
    const out = this.#out
    let end = this.#end
    while (this.at < to) {
      const token = this.#byte()
      const literals = this.#length(token >>> 4)
      const from = this.at
      if (from + literals > to) throw corrupt('an LZ4 block ends too early')
      if (end + literals > limit) throw this.#overflow(limit)
      if (literals > LONG) packed.copy(out, end, from, from + literals)
      else for (let i = 0; i < literals; i++) out[end + i] = packed[from + i] as number
      end += literals
      this.at = from + literals
      // The last sequence of a block has literals only.
      if (this.at === to) break
      const distance = this.#byte() | (this.#byte() << 8)
      const match = this.#length(token & 15) + SHORTEST_MATCH
      if (distance === 0 || distance > end) throw corrupt('an LZ4 match begins before the data')
      if (end + match > limit) throw this.#overflow(limit)
      const begin = end - distance
      if (match > LONG && distance >= match) out.copyWithin(end, begin, begin + match)
      else for (let i = 0; i < match; i++) out[end + i] = out[begin + i] as number
      end += match
    }
    this.#end = end
  }

  /** A length beyond four bits continues in bytes, up to the first that is not 255. */
  #length(bits: number): number {
    let length = bits
    if (bits === 15) {
      let more = this.#byte()
      for (; more === 255; more = this.#byte()) length += 255
      length += more
    }
    return length
  }

  #overflow(limit: number): Error {
    if (limit === this.#maxBytes) return unpacksTooLarge(this.#maxBytes)
    return corrupt('an LZ4 block is larger than its frame says')
  }

  #reserve(bytes: number): void {
    const least = Math.min(this.#end + bytes, this.#maxBytes)
    if (least <= this.#out.length) return
    const larger = Buffer.allocUnsafe(
      Math.min(Math.max(least, 2 * this.#out.length), this.#maxBytes),
    )
    this.#out.copy(larger, 0, 0, this.#end)
    this.#out = larger
  }

  /** Zero past the end. */
  #byte(): number {
    return (this.#packed[this.at++] as number) | 0
  }

  #uint32(): number {
    if (this.at + 4 > this.#packed.length) throw corrupt('an LZ4 frame is cut off')
    const value = this.#packed.readUInt32LE(this.at)
    this.at += 4
    return value
  }
}
