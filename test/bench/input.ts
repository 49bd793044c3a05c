import { splitKey } from '../../src/connect/files/lines.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { paymentLines } from './payments.ts'

/** Seed of the stream used by the measurements. */
export const SEED = 1

/** Payments to be written, in the order of the stream. */
export interface PaymentRecords {
  /** The next `count` records, timestamped with the time of this call; fewer at the end. */
  next(count: number): NewRecord[]
}

/** The first `count` payments of the stream of {@link SEED}. @param isIso are their times text? */
export function paymentRecords(topic: string, count: number, isIso = false): PaymentRecords {
  const lines = paymentLines(count, SEED)
  return {
    next: (wanted) => {
      const timestampMs = Date.now()
      const records: NewRecord[] = []
      while (records.length < wanted) {
        const line = lines.next()
        if (line.done === true) break
        const { key, value } = splitKey(Buffer.from(isIso ? withIsoTime(line.value) : line.value))
        records.push({ topic, partition: null, key, value, timestampMs, headers: [] })
      }
      return records
    },
  }
}

function withIsoTime(line: string): string {
  return line.replace(
    /"paidAt":(\d+)/,
    (_, ms) => `"paidAt":"${new Date(Number(ms)).toISOString()}"`,
  )
}
