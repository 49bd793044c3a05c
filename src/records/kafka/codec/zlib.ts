import * as zlib from 'node:zlib'
import { messageOf } from '../../../kernel/errors.ts'
import { corrupt, unpacksTooLarge } from './faults.ts'

// What Node can pack and unpack itself.

type Unpack = (packed: Buffer, options: { maxOutputLength: number }) => Buffer

/** Higher levels take two to four times as long for a tenth less. */
const FASTEST = 1

export function packGzip(bytes: Buffer): Buffer {
  return zlib.gzipSync(bytes, { level: FASTEST })
}

/** @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE` */
export function unpackGzip(packed: Buffer, maxBytes: number): Buffer {
  return within(maxBytes, packed, zlib.gunzipSync)
}

/** Missing before Node 22.15, and in the types of Node 20. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: Unpack }

/** One frame. `null` where Node cannot. @throws TidemarkError `BATCH_CORRUPT` · `BATCH_TOO_LARGE` */
export const unpackZstdFrame =
  zstdDecompressSync === undefined
    ? null
    : (frame: Buffer, maxBytes: number) => within(maxBytes, frame, zstdDecompressSync)

function within(maxBytes: number, packed: Buffer, unpack: Unpack): Buffer {
  try {
    return unpack(packed, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
      throw unpacksTooLarge(maxBytes)
    throw corrupt(messageOf(error), error)
  }
}
