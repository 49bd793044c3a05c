import { TidemarkError } from '../../../kernel/errors.ts'
import { COMPRESSIONS, type Compression } from '../../../kernel/kafka.ts'
import { packLz4, unpackLz4, unpackLz4Apart } from './lz4.ts'
import { packSnappy, unpackSnappy, unpackSnappyApart } from './snappy.ts'
import {
  packGzip,
  packZstd,
  unpackGzip,
  unpackGzipApart,
  unpackZstd,
  unpackZstdApart,
} from './zlib.ts'

const PACK: Readonly<Record<Exclude<Compression, 'none'>, (bytes: Buffer) => Buffer>> = {
  gzip: packGzip,
  snappy: packSnappy,
  lz4: packLz4,
  zstd: packZstd,
}

const UNPACK: Readonly<Record<number, (packed: Buffer, maxBytes: number) => Buffer>> = {
  1: unpackGzip,
  2: unpackSnappy,
  3: unpackLz4,
  4: unpackZstd,
}

type UnpackApart = (packed: Buffer, maxBytes: number) => Promise<Buffer>
const UNPACK_APART: Readonly<Record<number, UnpackApart>> = {
  1: unpackGzipApart,
  2: unpackSnappyApart,
  3: unpackLz4Apart,
  4: unpackZstdApart,
}

/**
 * @throws TidemarkError `NOT_SUPPORTED` · `BATCH_TOO_LARGE` · `BATCH_CORRUPT`, and errors of a
 * library for corrupt data
 */
export function unpack(compression: number, packed: Buffer, maxBytes: number): Buffer {
  const unpackWith = UNPACK[compression]
  if (unpackWith === undefined) {
    throw new TidemarkError('NOT_SUPPORTED', `compression ${compression} is not known`)
  }
  return unpackWith(packed, maxBytes)
}

/** Unpacks in another thread or piece by piece: tens of megabytes would block the event loop. */
export async function unpackApart(
  compression: number,
  packed: Buffer,
  maxBytes: number,
): Promise<Buffer> {
  const unpackWith = UNPACK_APART[compression] ?? unpack.bind(null, compression)
  return await unpackWith(packed, maxBytes)
}

/**
 * `null`: not smaller.
 * @throws TidemarkError `NOT_SUPPORTED`: this version of Node has no zstd
 */
export function pack(
  compression: Compression,
  bytes: Buffer,
): { number: number; bytes: Buffer } | null {
  if (compression === 'none') return null
  const packed = PACK[compression](bytes)
  if (packed.length >= bytes.length) return null
  return { number: COMPRESSIONS.indexOf(compression), bytes: packed }
}
