import { type EachBatchPayload, Kafka, logLevel } from 'kafkajs'
import { Checksums, type Content } from './checksums.ts'

const SILENCE_MS = 60_000

/**
 * Reads a topic under read_committed up to the current end of its partitions. Uses kafkajs, which
 * shares no code with our client.
 */
export async function readBack(
  brokers: readonly string[],
  topic: string,
): Promise<readonly Content[]> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const ends = await endsOf(kafka, topic)
  const checksums = new Checksums(ends.length)
  const unread = new Set(ends.keys())
  for (const [partition, end] of ends.entries()) if (end === 0) unread.delete(partition)
  const groupId = `${topic}-reader`
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const silence = setTimeout(() => reject(new Error(`${topic} does not end`)), SILENCE_MS)
      // Also emitted for batches that contain only transaction markers.
      consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
        silence.refresh()
        if (Number(lastOffset) + 1 >= (ends[partition] ?? 0)) unread.delete(partition)
        if (unread.size > 0) return
        clearTimeout(silence)
        resolve()
      })
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      const eachBatch = ({ batch }: EachBatchPayload) => {
        for (const message of batch.messages) checksums.add(batch.partition, message)
        return Promise.resolve()
      }
      consumer.run({ autoCommit: false, eachBatch }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return checksums.contents
}

/** The end offset of each partition, by its number. */
async function endsOf(kafka: Kafka, topic: string): Promise<number[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const offsets = await admin.fetchTopicOffsets(topic)
    return offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high))
  } finally {
    await admin.disconnect()
  }
}
