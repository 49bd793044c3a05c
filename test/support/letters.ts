import { offsetAt } from '../../src/connect/group-member.ts'
import type { ReadOptions } from '../../src/connect/kafka/reader.ts'
import type { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Chunk, Followed } from '../../src/connect/port.ts'

/** Reads a topic in memory up to its present end, as the Kafka driver does. */
export function readerOf(records: MemoryRecords) {
  return async ({ topic, from }: ReadOptions): Promise<Followed> => {
    const unreadable = () => {}
    const { ranges: whole } = await records.follow({ topic, from: new Map(), unreadable })
    const begins = [...whole].map(([partition, { nextOffset: lowOffset, endOffset }]) => {
      const log = { topic, partition, lowOffset, endOffset }
      const isMap = typeof from === 'object' && 'offsets' in from
      const begin = isMap ? from.offsets.get(partition) : offsetAt(from, log, new Map())
      return [partition, begin ?? lowOffset] as const
    })
    const reader = await records.follow({ topic, from: new Map(begins), unreadable })
    return { ranges: reader.ranges, close: () => reader.close(), ...untilEnd(reader) }
  }
}

function untilEnd(reader: Followed): AsyncIterable<Chunk> {
  return {
    async *[Symbol.asyncIterator]() {
      const left = new Map(
        [...reader.ranges].filter(([, { nextOffset, endOffset }]) => nextOffset < endOffset),
      )
      if (left.size === 0) return
      for await (const chunk of reader) {
        yield chunk
        if (chunk.nextOffset >= (left.get(chunk.partition)?.endOffset ?? 0)) {
          left.delete(chunk.partition)
        }
        if (left.size === 0) return
      }
    },
  }
}
