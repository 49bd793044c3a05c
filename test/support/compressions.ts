// Compressions of Kafka and Node, by their own documents, so that the product's tables are not held
// against themselves.

/** By Kafka's name, the number in bits 0 to 2 of a batch's attributes ("Message Format"). */
export const COMPRESSION_NUMBERS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** `zlib.zstdCompressSync`: "Added in: v23.8.0, v22.15.0". */
export const NODE_HAS_ZSTD =
  major > 23 || (major === 23 && minor >= 8) || (major === 22 && minor >= 15)

/** Compressions that this Node can write. */
export const WRITABLE = (
  Object.keys(COMPRESSION_NUMBERS) as (keyof typeof COMPRESSION_NUMBERS)[]
).filter((name) => name !== 'zstd' || NODE_HAS_ZSTD)
