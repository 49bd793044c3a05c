import { partitionOfKey } from '../kernel/kafka.ts'
import type { NewRecord } from './port.ts'

/**
 * Returns the partition of a record in a topic with `partitions` partitions: the record's own
 * (modulo that number), else the one of its key, else 0. A Java producer picks the same one, so
 * that both can write to one topic.
 */
export function partitionOf(
  record: Pick<NewRecord, 'partition' | 'key'>,
  partitions: number,
): number {
  if (record.partition !== null) return record.partition % partitions
  return record.key === null ? 0 : partitionOfKey(record.key, partitions, 'murmur2')
}
