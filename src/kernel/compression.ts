import * as zlib from 'node:zlib'

// How the batches of records that are written are compressed.

/** Compressions by Kafka's names. The index of each is its number in the protocol. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** A compression, by Kafka's name. */
export type Compression = (typeof COMPRESSIONS)[number]

/** Says why batches cannot be compressed in this way; `null`: they can. */
export function compressionFault(compression: Compression): string | null {
  if (compression !== 'zstd' || 'zstdCompressSync' in zlib) return null
  return `zstd needs Node 22.15, 23.8 or newer, and this is ${process.versions.node}: lz4 works with all`
}
