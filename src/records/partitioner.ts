import { partitionOfKey } from '../kernel/partitioners.ts'
import type { NewRecord } from './port.ts'

/**
 * The partition of a record in a topic with that many, the same one that a Java producer picks, so
 * that both can feed one topic: the record's own (taken modulo), else by its key; without a key 0.
 */
export function partitionOf(
  record: Pick<NewRecord, 'partition' | 'key'>,
  partitions: number,
): number {
  if (record.partition !== null) return record.partition % partitions
  return record.key === null ? 0 : partitionOfKey(record.key, partitions, 'murmur2')
}
