import { TidemarkError } from '../../../kernel/errors.ts'
import { COMPRESSIONS, type Compression } from '../../../kernel/kafka.ts'
import { LZ4 } from './lz4.ts'
import { SNAPPY } from './snappy.ts'
import { GZIP, ZSTD } from './zlib.ts'

/** Codecs throw TidemarkError `BATCH_TOO_LARGE` and `BATCH_CORRUPT`, and errors of libraries. */
interface Codec {
  readonly pack: (bytes: Buffer) => Buffer
  readonly unpack: (packed: Buffer, maxBytes: number) => Buffer
  /** Unpacks in another thread, or some at a time: tens of megabytes would block the event loop. */
  readonly unpackApart: (packed: Buffer, maxBytes: number) => Promise<Buffer>
}

const CODECS = { gzip: GZIP, snappy: SNAPPY, lz4: LZ4, zstd: ZSTD } as const satisfies Readonly<
  Record<Exclude<Compression, 'none'>, Codec>
>

/** @throws TidemarkError `NOT_SUPPORTED` */
export function codecOf(compression: number): Codec {
  const name = COMPRESSIONS[compression]
  if (name !== undefined && name !== 'none') return CODECS[name]
  throw new TidemarkError('NOT_SUPPORTED', `compression ${compression} is not known`)
}

/** `null`: not smaller. @throws TidemarkError `NOT_SUPPORTED`: this Node has no zstd */
export function pack(compression: Compression, bytes: Buffer) {
  if (compression === 'none') return null
  const packed = CODECS[compression].pack(bytes)
  if (packed.length >= bytes.length) return null
  return { number: COMPRESSIONS.indexOf(compression), bytes: packed }
}
