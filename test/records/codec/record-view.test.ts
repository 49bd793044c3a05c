import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { atOnce } from '../../../src/kernel/slices.ts'
import { BatchEncoder } from '../../../src/records/kafka/codec/encode.ts'
import { ListedRecords } from '../../../src/records/log-records.ts'
import type { OutgoingRecord } from '../../../src/records/record-format.ts'
import { WrittenRecords } from '../../../src/records/written-records.ts'
import { encodeBatches } from '../../support/batches.ts'
import { naiveBatch } from './naive-batch.ts'
import { anyRecords, decode, PLAIN } from './support.ts'

function encoded(records: readonly OutgoingRecord[]): Buffer {
  return Buffer.from(encodeBatches(records, PLAIN)[0]?.bytes ?? [])
}

const TO = { topic: 'copies', partition: 3 }

function encodedAll(records: WrittenRecords): Buffer {
  const encoder = new BatchEncoder()
  const indices = Array.from(records, (_, i) => i)
  return Buffer.from(atOnce(encoder.encode({ records, indices }, PLAIN))[0]?.bytes ?? [])
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
    const parts = [...decode(set)].map(({ offset, timestampMs, key, value, headers }) => [
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
    const [view] = decode(naiveBatch({ records: [{ offsetDelta: 0, headers }] }))
    expect(view?.headers).toEqual([{ name: 'a', value: Buffer.alloc(0) }, headers[1]])
  })
})

describe('a copy of a record', () => {
  test('is the record byte for byte, at whatever place it was, whether it was written or lies in a batch', () => {
    fc.assert(
      fc.property(anyRecords, fc.nat(19), (records, first) => {
        const views = decode(encoded(records))
        const listed = new ListedRecords([...views])
        const copies = new WrittenRecords()
        for (let i = first; i < records.length; i++) {
          // A record of the port has an empty value where a header has none.
          const isPlain = records[i]?.headers.every(({ value }) => value !== null) === true
          copies.copy(isPlain && i % 3 === 0 ? listed : views, i, TO)
        }
        expect(encodedAll(copies)).toEqual(encoded(records.slice(first)))
        expect(Array.from(copies, (_, i) => copies.partition(i))).toEqual(
          Array.from(copies, () => TO.partition),
        )
      }),
    )
  })

  test('may stand beside records that are none', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const views = decode(encoded(records))
        const mixed = new WrittenRecords()
        for (const [i, record] of records.entries()) {
          if (i % 2 === 0) mixed.copy(views, i, TO)
          else mixed.write(record)
        }
        expect(encodedAll(mixed)).toEqual(encoded(records))
      }),
    )
  })
})
