import type { Batch, KafkaMessage } from 'kafkajs'
import type { Chunk, Header, LogRecord } from '../port.ts'

/** A batch of the library as a chunk. Buffers are those of the broker's response. */
export function chunkOf(batch: Batch, epoch: number): Chunk {
  return {
    topic: batch.topic,
    partition: batch.partition,
    epoch,
    records: batch.messages.map(recordOf),
    // Past control records behind the last message as well.
    nextOffset: Number(batch.lastOffset()) + 1,
    endOffset: Number(batch.highWatermark),
  }
}

function recordOf(message: KafkaMessage): LogRecord {
  return {
    offset: Number(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: headersOf(message.headers),
  }
}

const NONE: readonly Header[] = []
const EMPTY = Buffer.alloc(0)

/**
 * The library groups headers by name, so the order between names and a null value (here: empty) are lost. Where a name is
 * also one of JavaScript's own, such as `constructor`, it puts that property in front, which is left out here.
 */
function headersOf(headers: KafkaMessage['headers']): readonly Header[] {
  if (headers === undefined) return NONE
  const list: Header[] = []
  for (const [name, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? values : [values]) {
      if (Buffer.isBuffer(value)) list.push({ name, value })
      else if (value === null) list.push({ name, value: EMPTY })
    }
  }
  return list
}
