import { wallClock } from '../../src/kernel/clock.ts'
import { paymentRecords } from './input.ts'
import type { Stage } from './stage.ts'

/** An even pace of events. */
export interface Pace {
  /** Events a second. */
  readonly rate: number
  /** Filled with the time at which each event was sent; its length is the number of events. */
  readonly sentMs: Float64Array
}

/**
 * Sends each payment when it is due; payments that become due during a send go out together after
 * its acknowledgement. The first payment is sent ahead of the pace because it opens the connection.
 *
 * @returns the longest time that a payment was behind, ms
 */
export async function produceAtPace(
  { records, topics }: Pick<Stage, 'records' | 'topics'>,
  { rate, sentMs }: Pace,
): Promise<number> {
  const writer = records.writer()
  const input = paymentRecords(topics.payments, sentMs.length)
  let sent = 0
  const sendUntil = async (due: number) => {
    const batch = input.next(due - sent)
    sentMs.fill(performance.now(), sent, due)
    await writer.write(batch)
    sent = due
  }
  await sendUntil(1)
  const startMs = performance.now()
  let behindMs = 0
  while (sent < sentMs.length) {
    const elapsedMs = performance.now() - startMs
    const due = Math.min(Math.floor((elapsedMs / 1_000) * rate), sentMs.length)
    if (due > sent) {
      behindMs = Math.max(behindMs, elapsedMs - (sent / rate) * 1_000)
      await sendUntil(due)
    } else await wallClock.sleep(1)
  }
  await writer.close()
  return behindMs
}
