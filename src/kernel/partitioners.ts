import { crc32 } from 'node:zlib'

// Which partition the clients of Kafka put a key in.

/**
 * `murmur2`: Java and what follows it, kafkajs among them · `crc32`: librdkafka's default, and what
 * is built on it.
 */
export type Partitioner = 'murmur2' | 'crc32'

/** The partition of a key in a topic with that many. */
export function partitionOfKey(key: Buffer, partitions: number, by: Partitioner): number {
  return by === 'crc32' ? crc32(key) % partitions : placeOf(murmur2(key), partitions)
}

/** The partition that Java's clients make of a hash. */
export function placeOf(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions
}

/**
 * 32-bit MurmurHash2 (Austin Appleby) with the seed of
 * `org.apache.kafka.common.utils.Utils.murmur2`; signed.
 */
export function murmur2(data: Buffer, from = 0, to: number = data.length): number {
  const m = 0x5bd1e995
  const words = from + ((to - from) & ~3)
  let h = 0x9747b28c ^ (to - from)
  for (let i = from; i < words; i += 4) {
    const k = Math.imul(data.readInt32LE(i), m)
    h = Math.imul(h, m) ^ Math.imul(k ^ (k >>> 24), m)
  }
  if (to > words) h = Math.imul(h ^ data.readUIntLE(words, to - words), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
