import { createRequire } from 'node:module'
import { corrupt, unpacksTooLarge } from './batch-header.ts'

// Snappy, raw and in the framing of Java's library (xerial): blocks, each after its length.

const load = createRequire(import.meta.url)

/** External memory would cost many times more. */
const COPIED = { copyOutputData: true }
const FRAME = Buffer.from('82534e4150505900', 'hex')
/** The frame's magic bytes, and two versions of 32 bits each. */
const FRAME_HEADER_BYTES = 16
const LENGTH_BYTES = 4
/** The version, and the oldest one that can read it, as the library writes them. */
const FRAME_HEADER = Buffer.concat([FRAME, Buffer.from('0000000100000001', 'hex')])

export const SNAPPY = {
  pack: (bytes: Buffer): Buffer => {
    const block = snappy().compressSync(bytes, COPIED)
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeUInt32BE(block.length)
    return Buffer.concat([FRAME_HEADER, length, block])
  },
  unpack: (packed: Buffer, maxBytes: number): Buffer => {
    const blocks = blocksWithin(packed, maxBytes)
    return joined(blocks.map((block) => snappy().uncompressSync(block, COPIED) as Buffer))
  },
  unpackApart: async (packed: Buffer, maxBytes: number): Promise<Buffer> => {
    const unpacked: Buffer[] = []
    for (const block of blocksWithin(packed, maxBytes)) {
      unpacked.push((await snappy().uncompress(block, COPIED)) as Buffer)
    }
    return joined(unpacked)
  },
}

function blocksWithin(packed: Buffer, maxBytes: number): Buffer[] {
  const isFramed = packed.subarray(0, FRAME.length).equals(FRAME)
  const blocks = isFramed ? blocksOf(packed) : [packed]
  const bytes = blocks.reduce((sum, block) => sum + unpackedBytes(block), 0)
  if (bytes > maxBytes) throw unpacksTooLarge(maxBytes)
  return blocks
}

function joined(unpacked: readonly Buffer[]): Buffer {
  return unpacked.length === 1 ? (unpacked[0] as Buffer) : Buffer.concat(unpacked)
}

function blocksOf(packed: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let at = FRAME_HEADER_BYTES; at < packed.length; ) {
    if (at + LENGTH_BYTES > packed.length) throw corrupt('a frame of snappy blocks is cut off')
    const from = at + LENGTH_BYTES
    const to = from + packed.readUInt32BE(at)
    if (to > packed.length) throw corrupt('a snappy block is cut off')
    blocks.push(packed.subarray(from, to))
    at = to
  }
  return blocks
}

function unpackedBytes(packed: Buffer): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = packed[i] ?? 0
    length += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return length
  }
  throw corrupt('a snappy block has no length')
}

/** Loaded when first needed: loading takes 30 ms, and few topics need it. */
function snappy(): typeof import('snappy') {
  return load('snappy') as typeof import('snappy')
}
