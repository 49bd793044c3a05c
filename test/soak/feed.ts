import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { paymentRecords } from '../bench/input.ts'

const SEND_EVERY_MS = 10
const RETRY_AFTER_MS = 200

/** How payments are fed. */
export interface FeedOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly perSecond: number
  /** The minimum duration. */
  readonly seconds: number
  /** Asked after that time: whether to stop. */
  readonly isOver: () => boolean
  /** The record that is sent in place of a payment. @default itself */
  readonly encode?: (payment: NewRecord) => NewRecord
}

/**
 * Sends payments at an even pace.
 *
 * @returns how many were sent, once the last is in the log. Unacknowledged payments are sent again
 * and may be in the log twice, as separate inputs
 */
export async function feed(
  { brokers, topic, perSecond, seconds, isOver, encode = (payment) => payment }: FeedOptions,
  tell: (sent: number) => void,
): Promise<number> {
  const payments = paymentRecords(topic, Number.POSITIVE_INFINITY)
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  const startMs = performance.now()
  let sent = 0
  /** Retries without limit, because brokers may be down for a while. */
  const sendWithRetries = async (batch: readonly NewRecord[]): Promise<void> => {
    for (;;) {
      try {
        return await writer.write(batch)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS))
      }
    }
  }
  try {
    for (;;) {
      const elapsedS = (performance.now() - startMs) / 1_000
      const isLast = elapsedS >= seconds && isOver()
      const batch = payments.next(Math.floor(elapsedS * perSecond) - sent).map(encode)
      await sendWithRetries(batch)
      sent += batch.length
      tell(sent)
      if (isLast) return sent
      await new Promise((resolve) => setTimeout(resolve, SEND_EVERY_MS))
    }
  } finally {
    await writer.close()
    await records.close()
  }
}
