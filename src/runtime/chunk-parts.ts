import type { Chunk } from '../records/port.ts'

// Parts of a chunk, and how large they are.

/** Of the objects around a record while it waits, bytes. */
const RECORD_BYTES = 200

/** What a chunk holds before an offset. */
export function upTo(
  { topic, partition, epoch, endOffset, ...chunk }: Chunk,
  offset: number,
): Chunk {
  const records = chunk.records.filter((r) => r.offset < offset)
  return { topic, partition, epoch, records, nextOffset: offset, endOffset }
}

/** What it holds from an offset on. */
export function behind(chunk: Chunk, offset: number): Chunk {
  const { packed } = chunk
  if (packed === undefined) {
    return { ...chunk, records: chunk.records.filter((r) => r.offset >= offset) }
  }
  const begin = Math.max(packed.offset, offset)
  const count = Math.min(packed.count, packed.lastOffset - begin + 1)
  return { ...chunk, packed: { ...packed, offset: begin, count } }
}

type Held = Pick<Chunk, 'records' | 'packed'>

/** Bytes of its records' values. */
export function valueBytes({ records, packed }: Held): number {
  return records.reduce((sum, r) => sum + (r.value?.length ?? 0), packed?.bytes.length ?? 0)
}

/** About what it takes in memory while it waits, bytes. */
export function bytesInMemory({ records, packed }: Held): number {
  let bytes = packed?.bytes.length ?? 0
  for (const { key, value, headers } of records) {
    bytes += RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
    for (const header of headers) bytes += header.name.length + header.value.length
  }
  return bytes
}
