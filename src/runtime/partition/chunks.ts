import { firstFrom } from '../../connect/log-records.ts'
import type { Chunk } from '../../connect/port.ts'

// Parts of chunks, and their sizes. A batch that was not unpacked is divided by its offsets.

/** Memory per record besides its contents, bytes. */
const RECORD_BYTES = 50

type Contents = Pick<Chunk, 'records' | 'packed'>

/** The part before an offset. */
export function chunkBefore(chunk: Chunk, offset: number): Chunk {
  const { packed, ...others } = chunk
  const records = chunk.records.slice(0, firstFrom(chunk.records, offset))
  const before = { ...others, records, nextOffset: offset }
  if (packed === undefined || packed.offset >= offset) return before
  const count = Math.min(packed.count, offset - packed.offset)
  return { ...before, packed: { ...packed, lastOffset: offset - 1, count } }
}

/** The part from an offset on. */
export function chunkFrom(chunk: Chunk, from: number): Chunk {
  const { packed } = chunk
  const records = chunk.records.slice(firstFrom(chunk.records, from))
  if (packed === undefined) return { ...chunk, records }
  const offset = Math.max(packed.offset, from)
  const count = Math.min(packed.count, packed.lastOffset - offset + 1)
  return { ...chunk, records, packed: { ...packed, offset, count } }
}

/** Total size of its values. */
export function valueBytes({ records, packed }: Contents): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += records.valueBytes(i)
  return bytes
}

/** Approximate size in memory while it waits. */
export function bytesInMemory({ records, packed }: Contents): number {
  let bytes = packed?.bytes.length ?? 0
  for (let i = 0; i < records.length; i++) bytes += RECORD_BYTES + records.partsBytes(i)
  return bytes
}
