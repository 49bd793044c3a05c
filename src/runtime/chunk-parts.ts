import { firstFrom } from '../records/log-records.ts'
import type { Chunk } from '../records/port.ts'

// Parts of a chunk, and how large they are.

/** Of what is known of a record while it waits, bytes. */
const RECORD_BYTES = 50

/** What a chunk holds before an offset. */
export function upTo(
  { topic, partition, epoch, endOffset, ...chunk }: Chunk,
  offset: number,
): Chunk {
  const records = chunk.records.slice(0, firstFrom(chunk.records, offset))
  return { topic, partition, epoch, records, nextOffset: offset, endOffset }
}

/** What it holds from an offset on. */
export function behind(chunk: Chunk, offset: number): Chunk {
  const { packed } = chunk
  if (packed === undefined) {
    return { ...chunk, records: chunk.records.slice(firstFrom(chunk.records, offset)) }
  }
  const begin = Math.max(packed.offset, offset)
  const count = Math.min(packed.count, packed.lastOffset - begin + 1)
  return { ...chunk, packed: { ...packed, offset: begin, count } }
}

type Held = Pick<Chunk, 'records' | 'packed'>

/** Bytes of its records' values. */
export function valueBytes({ records, packed }: Held): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += records.valueBytes(i)
  return bytes
}

/** About what it takes in memory while it waits, bytes. */
export function bytesInMemory({ records, packed }: Held): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += RECORD_BYTES + records.partsBytes(i)
  return bytes
}
