import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { paymentRecords } from '../bench/input.ts'

const SEND_EVERY_MS = 10

export interface FeedOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly perSecond: number
  readonly seconds: number
}

/** Sends payments at an even pace. Resolves with how many, when the last stands in the log. */
export async function feed(
  { brokers, topic, perSecond, seconds }: FeedOptions,
  tell: (sent: number) => void,
): Promise<number> {
  const count = perSecond * seconds
  const payments = paymentRecords(topic, count)
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  const startMs = performance.now()
  let sent = 0
  try {
    while (sent < count) {
      const due = Math.min(count, ((performance.now() - startMs) / 1_000) * perSecond)
      const batch = payments.next(Math.floor(due) - sent)
      await writer.send(batch)
      sent += batch.length
      tell(sent)
      await new Promise((resolve) => setTimeout(resolve, SEND_EVERY_MS))
    }
    return sent
  } finally {
    await writer.close()
    await records.close()
  }
}
