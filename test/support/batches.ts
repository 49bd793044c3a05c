import {
  BatchEncoder,
  type EncodedBatch,
  type EncodeOptions,
} from '../../src/connect/kafka/codec/encode.ts'
import {
  type Portion,
  RecordSet,
  type RecordSetOptions,
} from '../../src/connect/kafka/codec/record-set.ts'
import type { ColumnRecords } from '../../src/connect/log-records.ts'
import type { OutgoingRecord } from '../../src/connect/record-format.ts'
import { WrittenRecords } from '../../src/connect/written-records.ts'
import { atOnce } from '../../src/kernel/slices.ts'

/** The fields of a batch whose producer has no id. */
export const NO_PRODUCER = { id: -1, epoch: -1, baseSequence: -1, isTransactional: false }

/** The batches of records; earlier ones of the same encoder become invalid. */
export function encodeBatches(
  all: readonly OutgoingRecord[],
  options: EncodeOptions,
  encoder = new BatchEncoder(),
): EncodedBatch[] {
  const records = new WrittenRecords(all.length)
  for (const record of all) records.write(record)
  encoder.begin()
  return atOnce(encoder.encode({ records, indices: all.map((_, i) => i) }, options))
}

/** @throws TidemarkError as {@link RecordSet.next} · `BATCH_TOO_LARGE` */
export function decodeRecords(
  set: Buffer,
  options: RecordSetOptions,
): ColumnRecords & Pick<Portion, 'nextOffset'> {
  const records = new RecordSet(set, options)
  const first = records.next() as Portion
  const tooLarge = first.packed ?? (records.isRead ? null : records.next()?.packed)
  if (tooLarge) throw tooLarge.error
  return Object.assign(first.records, { nextOffset: first.nextOffset })
}

/** Size of an encoded batch with this one record, in bytes. */
export function writtenBytes(record: OutgoingRecord): number {
  const room = {
    maxBytes: Number.MAX_SAFE_INTEGER,
    producer: NO_PRODUCER,
    compression: 'none',
  } as const
  return encodeBatches([record], room)[0]?.bytes.length ?? 0
}
