import { BatchEncoder } from '../../src/records/kafka/codec/encode.ts'
import type { OutgoingRecord } from '../../src/records/record-format.ts'

const ROOM = { maxBytes: Number.MAX_SAFE_INTEGER, producer: null, compression: 'none' } as const

/** Size of an encoded batch with this one record, in bytes. */
export function writtenBytes(record: OutgoingRecord): number {
  const [batch] = new BatchEncoder().encode([record], ROOM)
  return batch?.bytes.length ?? 0
}
