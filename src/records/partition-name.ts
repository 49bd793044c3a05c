import type { TopicPartition } from './port.ts'

/** One string per partition, for maps and for people: `payments-3`. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
