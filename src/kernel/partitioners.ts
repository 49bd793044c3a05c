import { crc32 } from 'node:zlib'

// Which partition the clients of Kafka put a key in.

/** `murmur2`: Java and what follows it, kafkajs among them · `crc32`: librdkafka's default, and what is built on it. */
export type Partitioner = 'murmur2' | 'crc32'

/** The partition of a key in a topic with that many. */
export function partitionOfKey(key: Buffer, partitions: number, by: Partitioner): number {
  return by === 'crc32' ? crc32(key) % partitions : (murmur2(key) & 0x7fffffff) % partitions
}

/** 32-bit MurmurHash2 (Austin Appleby) with the seed of `org.apache.kafka.common.utils.Utils.murmur2`; signed. */
export function murmur2(data: Buffer): number {
  const m = 0x5bd1e995
  const words = data.length & ~3
  let h = 0x9747b28c ^ data.length
  for (let i = 0; i < words; i += 4) {
    const k = Math.imul(data.readInt32LE(i), m)
    h = Math.imul(h, m) ^ Math.imul(k ^ (k >>> 24), m)
  }
  if (data.length > words) h = Math.imul(h ^ data.readUIntLE(words, data.length - words), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
