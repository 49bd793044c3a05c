import type { Chunk, TopicPartition } from '../port.ts'
import { RecordViews } from './codec/record-views.ts'
import type { Fetched } from './hand-over.ts'

/** Builds a chunk from fetched records. Its buffers are views into the broker's response. */
export function chunkOf(
  of: TopicPartition & { readonly epoch: number },
  { records: fetched, packed, endOffset }: Fetched,
): Chunk {
  const { topic, partition, epoch } = of
  const { nextOffset } = fetched
  const records = new RecordViews(fetched)
  const chunk = { topic, partition, epoch, records, nextOffset, endOffset }
  return packed === null ? chunk : { ...chunk, packed }
}
