import type { Chunk, Header, LogRecord, TopicPartition } from '../port.ts'
import type { FetchedRecord, FetchedRecords } from './codec/fetched-records.ts'

/** What was fetched of a partition as a chunk. Buffers are those of the broker's response. */
export function chunkOf(
  of: TopicPartition & { readonly epoch: number },
  fetched: FetchedRecords,
  endOffset: number,
): Chunk {
  const { topic, partition, epoch } = of
  const records = Array.from({ length: fetched.length }, (_, i) => recordOf(fetched.at(i)))
  return { topic, partition, epoch, records, nextOffset: fetched.nextOffset, endOffset }
}

const EMPTY = Buffer.alloc(0)

function recordOf(record: FetchedRecord): LogRecord {
  const isWhole = record.headers.every(({ value }) => value !== null)
  if (isWhole) return record as LogRecord
  const headers = record.headers.map(({ name, value }): Header => ({ name, value: value ?? EMPTY }))
  return { ...record, headers }
}
