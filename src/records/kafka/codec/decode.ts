import type { FetchedRecords } from './fetched-records.ts'
import { type Portion, RecordSet, type RecordSetOptions } from './record-set.ts'

/**
 * Reads a whole record set in one go.
 * @throws TidemarkError as {@link RecordSet.next} · `BATCH_TOO_LARGE`: a batch unpacks to more than
 * is allowed
 */
export function decodeRecords(set: Buffer, options: RecordSetOptions): FetchedRecords {
  const records = new RecordSet(set, options)
  const first = records.next() as Portion
  const tooLarge = first.packed ?? (records.isRead ? null : records.next()?.packed)
  if (tooLarge) throw tooLarge.error
  return first.records
}
