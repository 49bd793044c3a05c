import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/records/port.ts'
import { paymentRecords } from '../bench/input.ts'

const SEND_EVERY_MS = 10
const RETRY_AFTER_MS = 200
/** It may be fed for so much longer than planned. */
export const LONGER_S = 240

export interface FeedOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly perSecond: number
  /** So long at least. */
  readonly seconds: number
  /** Past that time: is it enough? */
  readonly isOver: () => boolean
}

/**
 * Sends payments at an even pace.
 * @returns how many, when the last stands in the log. What was not acknowledged was sent again, and
 * may stand there twice, as inputs of their own
 */
export async function feed(
  { brokers, topic, perSecond, seconds, isOver }: FeedOptions,
  tell: (sent: number) => void,
): Promise<number> {
  const payments = paymentRecords(topic, perSecond * (seconds + LONGER_S))
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  const writer = records.writer()
  const startMs = performance.now()
  let sent = 0
  /** Brokers may be gone for a while. */
  const sendAtLast = async (batch: readonly NewRecord[]): Promise<void> => {
    for (;;) {
      try {
        return await writer.send(batch)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS))
      }
    }
  }
  try {
    for (;;) {
      const elapsedS = (performance.now() - startMs) / 1_000
      const isLast = elapsedS >= seconds && isOver()
      const batch = payments.next(Math.floor(elapsedS * perSecond) - sent)
      await sendAtLast(batch)
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
