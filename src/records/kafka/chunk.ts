import type { Chunk, TopicPartition } from '../port.ts'
import type { FetchedRecords } from './codec/fetched-records.ts'
import { RecordView } from './codec/record-view.ts'

/** What was fetched of a partition as a chunk. Buffers are those of the broker's response. */
export function chunkOf(
  of: TopicPartition & { readonly epoch: number },
  fetched: FetchedRecords,
  endOffset: number,
): Chunk {
  const { topic, partition, epoch } = of
  const records = Array.from({ length: fetched.length }, (_, i) => new RecordView(fetched, i))
  return { topic, partition, epoch, records, nextOffset: fetched.nextOffset, endOffset }
}
