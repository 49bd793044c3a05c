import * as zlib from 'node:zlib'

// Conventions of Kafka's clients: how batches are compressed, and the partition of a key.

/** Compressions by Kafka's names. The index of each is its number in the protocol. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export type Compression = (typeof COMPRESSIONS)[number]

/** Why batches cannot be compressed in this way; `null`: they can. */
export function compressionFault(compression: Compression): string | null {
  if (compression !== 'zstd' || 'zstdCompressSync' in zlib) return null
  return `zstd needs Node 22.15, 23.8 or newer, and this is ${process.versions.node}: lz4 works with all`
}

/**
 * `murmur2`: Java and compatible clients, kafkajs among them · `crc32`: the default of librdkafka
 * and of the clients built on it.
 */
export type Partitioner = 'murmur2' | 'crc32'

export function partitionOfKey(key: Buffer, partitions: number, by: Partitioner): number {
  return by === 'crc32' ? zlib.crc32(key) % partitions : placeOf(murmur2(key), partitions)
}

/** The partition that Java clients choose for a hash. */
export function placeOf(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions
}

/**
 * 32-bit MurmurHash2 (Austin Appleby) with the seed of
 * `org.apache.kafka.common.utils.Utils.murmur2`; signed.
 */
export function murmur2(data: Uint8Array, from = 0, to: number = data.length): number {
  const m = 0x5bd1e995
  const words = from + ((to - from) & ~3)
  let h = 0x9747b28c ^ (to - from)
  for (let i = from; i < words; i += 4) {
    const k = Math.imul(wordAt(data, i), m)
    h = Math.imul(h, m) ^ Math.imul(k ^ (k >>> 24), m)
  }
  if (to > words) {
    for (let i = words; i < to; i++) h ^= (data[i] as number) << ((i - words) * 8)
    h = Math.imul(h, m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

/** Buffer's readInt32LE without the check of its argument, which costs time. */
function wordAt(data: Uint8Array, i: number): number {
  const low = (data[i] as number) | ((data[i + 1] as number) << 8)
  return low | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24)
}
