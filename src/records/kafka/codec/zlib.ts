import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { corrupt, unpacksTooLarge } from './faults.ts'

// The compressions that Node has built in: gzip, and zstd in newer versions.

interface UnpackOptions {
  readonly maxOutputLength: number
  readonly chunkSize?: number
}
type Unpack = (packed: Buffer, options: UnpackOptions) => Buffer
type UnpackApart = (
  packed: Buffer,
  options: UnpackOptions,
  done: (error: Error | null, unpacked: Buffer) => void,
) => void

/** Higher levels take two to four times as long and save a tenth of the size. */
const FASTEST = 1
const PIECE_BYTES = 2 ** 20

/** Packs gzip, at the fastest level. */
export function packGzip(bytes: Buffer): Buffer {
  return zlib.gzipSync(bytes, { level: FASTEST })
}

/**
 * Unpacks gzip.
 * @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE`
 */
export function unpackGzip(packed: Buffer, maxBytes: number): Buffer {
  return within(maxBytes, packed, zlib.gunzipSync)
}

/**
 * As {@link unpackGzip}, in another thread.
 * @throws TidemarkError as {@link unpackGzip}
 */
export function unpackGzipApart(packed: Buffer, maxBytes: number): Promise<Buffer> {
  return withinApart(maxBytes, packed, zlib.gunzip)
}

/** Missing before Node 22.15, and in the types of Node 20. */
const { zstdCompressSync, zstdDecompressSync, zstdDecompress } = zlib as {
  zstdCompressSync?: (bytes: Buffer) => Buffer
  zstdDecompressSync?: Unpack
  zstdDecompress?: UnpackApart
}

/**
 * Packs zstd, at its default level.
 * @throws TidemarkError `NOT_SUPPORTED`: this version of Node cannot
 */
export function packZstd(bytes: Buffer): Buffer {
  if (zstdCompressSync === undefined) {
    throw new TidemarkError('NOT_SUPPORTED', `Node ${process.versions.node} has no zstd`)
  }
  return zstdCompressSync(bytes)
}

/**
 * Unpacks one zstd frame. `null`: this version of Node cannot.
 * @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE`
 */
export const unpackZstdFrame =
  zstdDecompressSync === undefined
    ? null
    : (frame: Buffer, maxBytes: number) => within(maxBytes, frame, zstdDecompressSync)

/** As {@link unpackZstdFrame}, in another thread. */
export const unpackZstdFrameApart =
  zstdDecompress === undefined
    ? null
    : (frame: Buffer, maxBytes: number) => withinApart(maxBytes, frame, zstdDecompress)

function within(maxBytes: number, packed: Buffer, unpack: Unpack): Buffer {
  try {
    return unpack(packed, { maxOutputLength: maxBytes })
  } catch (error) {
    throw refusal(error, maxBytes)
  }
}

async function withinApart(maxBytes: number, packed: Buffer, unpack: UnpackApart): Promise<Buffer> {
  try {
    // Each piece is a callback from the other thread, so use few large ones.
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
