import * as fc from 'fast-check'
import type { EncodeOptions } from '../../../src/connect/kafka/codec/encode.ts'
import { type RecordSetOptions } from '../../../src/connect/kafka/codec/record-set.ts'
import type { ColumnRecords } from '../../../src/connect/log-records.ts'
import type { OutgoingRecord } from '../../../src/connect/record-format.ts'
import { decodeRecords, NO_PRODUCER } from '../../support/batches.ts'

/** Reads a set of partition `t-0` from offset 0, unless told otherwise. */
export function decode(set: Buffer, options: Partial<RecordSetOptions> = {}) {
  return decodeRecords(set, { partition: 't-0', fromOffset: 0, aborted: [], ...options })
}

export interface FetchedRecord extends OutgoingRecord {
  readonly offset: number
}

/** The records as objects. A header may have no value, like in the log. */
export function objectsIn(records: ColumnRecords): FetchedRecord[] {
  return Array.from(records, ({ offset, timestampMs, key, value }, i) => {
    return { offset, timestampMs, key, value, headers: records.headers(i) }
  })
}

/** All of its records as objects. */
export function recordsOf(set: Buffer, options: Partial<RecordSetOptions> = {}): FetchedRecord[] {
  return objectsIn(decode(set, options))
}

export const PLAIN: EncodeOptions = {
  maxBytes: 2 ** 30,
  producer: NO_PRODUCER,
  compression: 'none',
}

const START_MS = 1_767_225_600_000

const bytes = fc.uint8Array({ maxLength: 150 }).map((array) => Buffer.from(array))
const part = fc.option(bytes)

/** Mostly close together, at times as far apart as can be. */
const timestampMs = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -100_000, max: 100_000 }).map((ms) => START_MS + ms) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
  { weight: 1, arbitrary: fc.constant(-1) },
)

const anyRecord: fc.Arbitrary<OutgoingRecord> = fc.record({
  key: part,
  value: part,
  timestampMs,
  headers: fc.array(
    fc.record({ name: fc.string({ maxLength: 5, unit: 'grapheme' }), value: part }),
    {
      maxLength: 3,
    },
  ),
})

export const anyRecords = fc.array(anyRecord, { minLength: 1, maxLength: 20 })
