import type { Chunk, TopicPartition } from '../port.ts'
import { RecordView } from './codec/record-view.ts'
import type { Fetched } from './hand-over.ts'

/** What was fetched of a partition as a chunk. Buffers are those of the broker's response. */
export function chunkOf(
  of: TopicPartition & { readonly epoch: number },
  { records: fetched, packed, endOffset }: Fetched,
): Chunk {
  const { topic, partition, epoch } = of
  const { nextOffset } = fetched
  const records = Array.from({ length: fetched.length }, (_, i) => new RecordView(fetched, i))
  const chunk = { topic, partition, epoch, records, nextOffset, endOffset }
  return packed === null ? chunk : { ...chunk, packed }
}
