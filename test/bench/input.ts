import { splitKey } from '../../src/cli/lines.ts'
import type { NewRecord } from '../../src/records/port.ts'
import { paymentLines } from './payments.ts'

/** Seed of the stream used by the measurements. */
export const SEED = 1

/** Payments to be written, in the order of the stream. */
export interface PaymentRecords {
  /** The next `count` records, timestamped with the time of this call; fewer at the end. */
  next(count: number): NewRecord[]
}

/** The first `count` payments of the stream of {@link SEED}. */
export function paymentRecords(topic: string, count: number): PaymentRecords {
  const lines = paymentLines(count, SEED)
  return {
    next: (wanted) => {
      const timestampMs = Date.now()
      const records: NewRecord[] = []
      while (records.length < wanted) {
        const line = lines.next()
        if (line.done === true) break
        const { key, value } = splitKey(Buffer.from(line.value))
        records.push({ topic, partition: null, key, value, timestampMs, headers: [] })
      }
      return records
    },
  }
}
