import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchEncoder } from '../../../src/records/kafka/codec/encode.ts'
import { RecordView } from '../../../src/records/kafka/codec/record-view.ts'
import type { OutgoingRecord } from '../../../src/records/written-records.ts'
import { naiveBatch } from './naive-batch.ts'
import { anyRecords, decode, PLAIN } from './support.ts'

/** All records of a set as views. */
function viewsOf(set: Buffer): RecordView[] {
  const records = decode(set)
  return Array.from({ length: records.length }, (_, i) => new RecordView(records, i))
}

function encoded(records: readonly OutgoingRecord[]): Buffer {
  return Buffer.from(new BatchEncoder().encode(records, PLAIN)[0]?.bytes ?? [])
}

/** Nothing of its own but the time: all else must come from what it copies. */
/** Of no driver's. */
const NOBODY = { timestampMs: 0, key: null, value: null, headers: [] }

function copyOf(view: RecordView): OutgoingRecord {
  return { key: null, value: null, headers: [], timestampMs: view.timestampMs, copyOf: view }
}

describe('a view of a record', () => {
  test('has its parts as the record has them', () => {
    const set = naiveBatch({
      baseOffset: 7n,
      baseTimestamp: 90n,
      records: [
        { offsetDelta: 0, value: Buffer.from('one') },
        { offsetDelta: 2, timestampDelta: 3n, key: Buffer.from('k') },
      ],
    })
    const parts = viewsOf(set).map(({ offset, timestampMs, key, value, headers }) => [
      ...[offset, timestampMs, key?.toString(), value?.toString()],
      headers,
    ])
    expect(parts).toEqual([
      [7, 90, undefined, 'one', []],
      [9, 93, 'k', undefined, []],
    ])
  })

  test('has an empty value where a header has none, as the port wants it', () => {
    const headers = [
      { name: 'a', value: null },
      { name: 'b', value: Buffer.from('1') },
    ]
    const [view] = viewsOf(naiveBatch({ records: [{ offsetDelta: 0, headers }] }))
    expect(view?.headers).toEqual([{ name: 'a', value: Buffer.alloc(0) }, headers[1]])
  })
})

describe('a copy of a record', () => {
  test('is the record byte for byte, at whatever place it was', () => {
    fc.assert(
      fc.property(anyRecords, fc.nat(19), (records, first) => {
        const wanted = records.slice(first)
        const copies = viewsOf(encoded(records)).slice(first).map(copyOf)
        expect(encoded(copies)).toEqual(encoded(wanted))
      }),
    )
  })

  test('may stand beside records that are none', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const mixed = viewsOf(encoded(records)).map((view, i) =>
          i % 2 === 0 ? copyOf(view) : (records[i] as OutgoingRecord),
        )
        expect(encoded(mixed)).toEqual(encoded(records))
      }),
    )
  })

  test('has the time that it is given', () => {
    const [view] = viewsOf(naiveBatch({ records: [{ offsetDelta: 0, value: Buffer.from('x') }] }))
    const later = { ...copyOf(view as RecordView), timestampMs: 5 }
    expect(decode(encoded([later])).timestampsMs[0]).toBe(5)
  })

  test('of another kind of record is written from its parts', () => {
    const value = Buffer.from('own')
    const own = { key: null, value, timestampMs: 0, headers: [], copyOf: { ...NOBODY, offset: 1 } }
    expect(decode(encoded([own])).value(0)).toEqual(value)
  })
})
