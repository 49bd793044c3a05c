import type { NewRecord } from './port.ts'

// Which partition a record goes to: the same one that a Java producer picks, so that both can feed one topic.

/** The partition of a record in a topic with that many: the record's own (taken modulo), else by its key; without a key 0. */
export function partitionOf(
  record: Pick<NewRecord, 'partition' | 'key'>,
  partitions: number,
): number {
  if (record.partition !== null) return record.partition % partitions
  return record.key === null ? 0 : (murmur2(record.key) & 0x7fffffff) % partitions
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
