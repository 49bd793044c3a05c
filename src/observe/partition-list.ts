import type { TopicPartition } from '../records/port.ts'

/** Partitions for people, topic by topic: `orders 0, payments 0-3 7`. */
export function partitionList(partitions: readonly TopicPartition[]): string {
  const topics = [...new Set(partitions.map(({ topic }) => topic))].toSorted()
  return topics
    .map((topic) => {
      const numbers = partitions.filter((p) => p.topic === topic).map((p) => p.partition)
      return `${topic} ${ranges(numbers)}`
    })
    .join(', ')
}

function ranges(numbers: readonly number[]): string {
  const found: { first: number; last: number }[] = []
  for (const number of [...new Set(numbers)].toSorted((a, b) => a - b)) {
    const open = found.at(-1)
    if (open?.last === number - 1) open.last = number
    else found.push({ first: number, last: number })
  }
  return found.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(' ')
}
