import type { OutgoingRecord } from '../../src/records/record-format.ts'
import { encodeBatches, NO_PRODUCER } from './batches.ts'

const ROOM = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  producer: NO_PRODUCER,
  compression: 'none',
} as const

/** Size of an encoded batch with this one record, in bytes. */
export function writtenBytes(record: OutgoingRecord): number {
  const [batch] = encodeBatches([record], ROOM)
  return batch?.bytes.length ?? 0
}
