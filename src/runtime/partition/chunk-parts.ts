import { firstFrom } from '../../records/log-records.ts'
import type { Chunk } from '../../records/port.ts'

// Parts of a chunk, and how large they are.

/** Memory per waiting record besides its contents, bytes. */
const RECORD_BYTES = 50

/** The part of a chunk before an offset. */
export function upTo(
  { topic, partition, epoch, endOffset, ...chunk }: Chunk,
  offset: number,
): Chunk {
  const records = chunk.records.slice(0, firstFrom(chunk.records, offset))
  return { topic, partition, epoch, records, nextOffset: offset, endOffset }
}

/** The part of a chunk from an offset on. */
export function behind(chunk: Chunk, offset: number): Chunk {
  const { packed } = chunk
  if (packed === undefined) {
    return { ...chunk, records: chunk.records.slice(firstFrom(chunk.records, offset)) }
  }
  const begin = Math.max(packed.offset, offset)
  const count = Math.min(packed.count, packed.lastOffset - begin + 1)
  return { ...chunk, packed: { ...packed, offset: begin, count } }
}

type ChunkContents = Pick<Chunk, 'records' | 'packed'>

/** Total size of its records' values, bytes. */
export function valueBytes({ records, packed }: ChunkContents): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += records.valueBytes(i)
  return bytes
}

/** Approximate size in memory while it waits, bytes. */
export function bytesInMemory({ records, packed }: ChunkContents): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += RECORD_BYTES + records.partsBytes(i)
  return bytes
}
