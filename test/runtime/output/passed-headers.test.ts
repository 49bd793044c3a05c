import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { LogRecords } from '../../../src/connect/port.ts'
import { appendHeaders, type OutgoingHeader } from '../../../src/connect/record-format.ts'
import { ByteRoom } from '../../../src/kernel/bytes.ts'
import { PassedHeaders } from '../../../src/runtime/output/headers.ts'
import { decode, PLAIN } from '../../connect/codec/support.ts'
import { encodeBatches } from '../../support/batches.ts'

const NAMES = ['tenant', 'Zürich', 'tenants']
const PASSED = ['traceparent', 'tracestate', ...NAMES]

const value = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const name = fc.oneof(
  fc.constantFrom(...PASSED, 'Traceparent', 'tenan', 'tidemark-id', ''),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
)
function headersWith(values: fc.Arbitrary<Buffer | null>): fc.Arbitrary<OutgoingHeader[][]> {
  const header = fc.record({ name, value: values }, { noNullPrototype: true })
  return fc.array(fc.array(header, { maxLength: 6 }), { minLength: 1, maxLength: 5 })
}

/** By records: the headers that are found, as objects, and as bytes. */
function found(records: LogRecords) {
  const passed = new PassedHeaders(NAMES)
  return Array.from({ length: records.length }, (_, i) => {
    const count = passed.find(records, i)
    const room = new ByteRoom(0)
    passed.append(room)
    return { list: passed.list(), count, bytes: room.bytes.subarray(0, room.used) }
  })
}

function naive(all: readonly OutgoingHeader[][]) {
  return all.map((headers) => {
    const list = headers.filter((header) => PASSED.includes(header.name))
    const room = new ByteRoom(0)
    appendHeaders(list, room)
    // Behind their number, which takes one byte.
    return { list, count: list.length, bytes: room.bytes.subarray(1, room.used) }
  })
}

test('records of a log pass on the headers of the given names, all of them, in order', () => {
  fc.assert(
    fc.property(headersWith(fc.option(value)), (all) => {
      const written = all.map((headers, i) => {
        return { key: null, value: Buffer.alloc(i), timestampMs: 0, headers }
      })
      const [batch] = encodeBatches(written, PLAIN)
      const records = decode(Buffer.from(batch?.bytes ?? []))
      expect(records.hasHeaders).toBe(all.some((headers) => headers.length > 0))
      expect(found(records)).toEqual(naive(all))
      expect(found(records.slice(1))).toEqual(naive(all.slice(1)))
      const last = records.pick([all.length - 1])
      expect(found(last)).toEqual(naive(all.slice(-1)))
      expect(last.at(0).value).toEqual(Buffer.alloc(all.length - 1))
    }),
  )
})

test('so do records that are listed, and a selection of them', () => {
  fc.assert(
    fc.property(headersWith(value), (all) => {
      const records = new ListedRecords(
        all.map((headers, offset) => {
          const listed = headers.map((h) => ({ name: h.name, value: h.value ?? Buffer.alloc(0) }))
          return { offset, timestampMs: 0, key: null, value: null, headers: listed }
        }),
      )
      expect(records.hasHeaders).toBe(all.some((headers) => headers.length > 0))
      expect(found(records)).toEqual(naive(all))
      expect(found(records.pick([all.length - 1]))).toEqual(naive(all.slice(-1)))
    }),
  )
})
