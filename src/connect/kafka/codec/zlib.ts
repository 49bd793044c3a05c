import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { Decompress } from 'fzstd'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { atOnce, inTurns } from '../../../kernel/slices.ts'
import { corrupt, unpacksTooLarge } from './batch-header.ts'

// gzip and zstd of Node's zlib. Node has zstd from 22.15 on; before that it is read in JavaScript,
// which takes three times as long.

type Unpack = typeof zlib.gunzipSync
type UnpackApart = typeof zlib.gunzip

/** Higher levels take two to four times as long and save a tenth of the size. */
const FASTEST = 1
const PIECE_BYTES = 2 ** 20

export const GZIP = {
  pack: (bytes: Buffer): Buffer => zlib.gzipSync(bytes, { level: FASTEST }),
  unpack: (packed: Buffer, maxBytes: number) => within(maxBytes, packed, zlib.gunzipSync),
  unpackApart: (packed: Buffer, maxBytes: number) => withinApart(maxBytes, packed, zlib.gunzip),
}

/** Missing before Node 22.15, and in the types of Node 20. */
const { zstdCompressSync, zstdDecompressSync, zstdDecompress } = zlib as {
  zstdCompressSync?: (bytes: Buffer) => Buffer
  zstdDecompressSync?: Unpack
  zstdDecompress?: UnpackApart
}

export const ZSTD = {
  /** @throws TidemarkError `NOT_SUPPORTED`: this version of Node has no zstd */
  pack: (bytes: Buffer): Buffer => {
    if (zstdCompressSync !== undefined) return zstdCompressSync(bytes)
    throw new TidemarkError('NOT_SUPPORTED', `Node ${process.versions.node} has no zstd`)
  },
  unpack: (packed: Buffer, maxBytes: number) => unpackZstd(packed, maxBytes),
  unpackApart: async (packed: Buffer, maxBytes: number): Promise<Buffer> => {
    const parts: Uint8Array[] = []
    let left = maxBytes
    for (const frame of framesOf(packed)) {
      const part = await unpackFrameApart(frame, left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  },
}

function unpackFrame(frame: Buffer, maxBytes: number): Buffer {
  if (zstdDecompressSync === undefined) return unpackFrameInJs(frame, maxBytes)
  return within(maxBytes, frame, zstdDecompressSync)
}

function unpackFrameApart(frame: Buffer, maxBytes: number): Promise<Buffer> {
  if (zstdDecompress === undefined) return inTurns(unpackBlocks(frame, maxBytes))
  return withinApart(maxBytes, frame, zstdDecompress)
}

function within(maxBytes: number, packed: Buffer, unpack: Unpack): Buffer {
  try {
    return unpack(packed, { maxOutputLength: maxBytes })
  } catch (error) {
    throw refusal(error, maxBytes)
  }
}

async function withinApart(maxBytes: number, packed: Buffer, unpack: UnpackApart): Promise<Buffer> {
  try {
    // Each piece is a callback from the other thread, so pieces are large.
    const options = { maxOutputLength: maxBytes, chunkSize: PIECE_BYTES }
    return await promisify(unpack)(packed, options)
  } catch (error) {
    throw refusal(error, maxBytes)
  }
}

function refusal(error: unknown, maxBytes: number): TidemarkError {
  const isTooLarge = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'
  return isTooLarge ? unpacksTooLarge(maxBytes) : corrupt(messageOf(error), error)
}

const FRAME = 0xfd2fb528
/** Magic number of skippable frames; its last four bits vary. */
const SKIPPABLE = 0x184d2a50
const SINGLE_SEGMENT = 1 << 5
const HAS_CHECKSUM = 1 << 2
/** Bytes of the dictionary id and of the content length, by two bits of the frame's descriptor. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
const CONTENT_LENGTH_BYTES = [0, 2, 4, 8] as const
/** The largest window that zstd accepts by default; the library allocates it before reading. */
const MAX_WINDOW_BYTES = 128 * 2 ** 20
const REPEATED = 1

/** @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE` · errors of the library */
export function unpackZstd(packed: Buffer, maxBytes: number, unpackOne = unpackFrame): Buffer {
  const parts: Uint8Array[] = []
  let left = maxBytes
  for (const frame of framesOf(packed)) {
    const part = unpackOne(frame, left)
    parts.push(part)
    left -= part.length
  }
  return Buffer.concat(parts)
}

export function unpackFrameInJs(frame: Buffer, maxBytes: number): Buffer {
  return atOnce(unpackBlocks(frame, maxBytes))
}

function* unpackBlocks(frame: Buffer, maxBytes: number): Generator<void, Buffer> {
  const blocks: Uint8Array[] = []
  let left = maxBytes
  const unpacker = new Decompress((block) => {
    left -= block.length
    if (left < 0) throw unpacksTooLarge(maxBytes)
    blocks.push(block)
  })
  let at = 0
  for (const to of blockEndsOf(frame, 0)) {
    unpacker.push(frame.subarray(at, to))
    at = to
    yield
  }
  unpacker.push(frame.subarray(at), true)
  return Buffer.concat(blocks)
}

/** One by one, because Node reads the first frame only, and the library checks only its window. */
function* framesOf(packed: Buffer): Generator<Buffer> {
  let at = 0
  do {
    const magic = packed.readUInt32LE(at)
    if ((magic & ~15) === SKIPPABLE) {
      at += 8 + packed.readUInt32LE(at + 4)
      continue
    }
    if (magic !== FRAME) throw corrupt('the data is not a zstd frame')
    const to = endOfFrame(packed, at)
    yield packed.subarray(at, to)
    at = to
  } while (at < packed.length)
}

function endOfFrame(packed: Buffer, at: number): number {
  let end = at
  for (const to of blockEndsOf(packed, at)) end = to
  return end + (packed.readUInt8(at + 4) & HAS_CHECKSUM ? 4 : 0)
}

/** Returns the ends of a frame's blocks. Each block unpacks to at most 128 KiB. */
function* blockEndsOf(packed: Buffer, at: number): Generator<number> {
  const descriptor = packed.readUInt8(at + 4)
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0
  const windowAt = at + 5
  const contentAt = windowAt + (isSingle ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] as number)
  const contentBytes =
    isSingle && descriptor < 64 ? 1 : (CONTENT_LENGTH_BYTES[descriptor >>> 6] as number)
  const window = isSingle
    ? littleEndian(packed, contentAt, contentBytes)
    : windowOf(packed.readUInt8(windowAt))
  if (window > MAX_WINDOW_BYTES)
    throw corrupt(`the zstd window of ${window} bytes is larger than ${MAX_WINDOW_BYTES}`)
  let next = contentAt + contentBytes
  for (let isLast = false; !isLast; ) {
    const block = packed.readUIntLE(next, 3)
    isLast = (block & 1) !== 0
    next += 3 + (((block >>> 1) & 3) === REPEATED ? 1 : block >>> 3)
    yield next
  }
}

function windowOf(descriptor: number): number {
  return 2 ** (10 + (descriptor >>> 3)) * (1 + (descriptor & 7) / 8)
}

function littleEndian(packed: Buffer, at: number, bytes: number): number {
  return bytes === 8 ? Number(packed.readBigUInt64LE(at)) : packed.readUIntLE(at, bytes)
}
