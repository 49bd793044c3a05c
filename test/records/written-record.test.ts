import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchEncoder, type OutgoingRecord } from '../../src/records/kafka/codec/encode.ts'
import type { NewRecord } from '../../src/records/port.ts'
import { varintBytes } from '../../src/records/varint.ts'
import { WrittenRecord } from '../../src/records/written-record.ts'
import { naiveParts } from './codec/naive-batch.ts'
import { PLAIN } from './codec/support.ts'

const RUNS = { seed: 5, numRuns: 300 }
const TOPIC = 'scores'

const part = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 150 }) },
  // Where one more byte of length is taken.
  { weight: 2, arbitrary: fc.constantFrom(63, 64, 8_191, 8_192, 20_000).map((n) => bytesOf(n)) },
)
const buffer = part.map((array) => Buffer.from(array))
/** As they are written in code. */
const PLAIN_OBJECT = { noNullPrototype: true } as const
const header = fc.record(
  { name: fc.string({ maxLength: 70, unit: 'grapheme' }), value: buffer },
  PLAIN_OBJECT,
)

const plainRecord: fc.Arbitrary<NewRecord> = fc.record(
  {
    topic: fc.constant(TOPIC),
    partition: fc.constant(null),
    key: fc.option(buffer),
    value: fc.option(buffer),
    timestampMs: fc.oneof(fc.maxSafeNat(), fc.constant(-1)),
    headers: fc.array(header, { maxLength: 4 }),
  },
  PLAIN_OBJECT,
)

function bytesOf(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i)
}

/** The same record as it stands in a batch, somewhere among others' bytes. */
function written({ topic, timestampMs, ...parts }: NewRecord, before = 3): WrittenRecord {
  const own = naiveParts(parts)
  const bytes = Buffer.concat([Buffer.alloc(before, 0x81), own, Buffer.alloc(5, 0x81)])
  return new WrittenRecord(topic, timestampMs, { bytes, from: before, to: before + own.length })
}

function batchesOf(records: readonly OutgoingRecord[], maxBytes: number): Buffer[] {
  const batches = new BatchEncoder().encode(records, { ...PLAIN, maxBytes })
  return batches.map(({ bytes }) => Buffer.from(bytes))
}

/** All that a record has, whether it is made when it is asked for or not. */
function partsOf({ topic, partition, key, value, timestampMs, headers }: NewRecord): NewRecord {
  return { topic, partition, key, value, timestampMs, headers }
}

describe('a record that is written already', () => {
  test('has the parts of the record that it was written from', () => {
    fc.assert(
      fc.property(plainRecord, fc.nat(9), (record, before) => {
        const made = written(record, before)
        expect(isDeepStrictEqual(partsOf(made), record)).toBe(true)
        expect(made.valueBytes).toBe(record.value?.length ?? 0)
        expect(made.partsBytes).toBe(naiveParts(record).length)
      }),
      RUNS,
    )
  })

  test('is copied to where it is wanted, and nothing beside it', () => {
    fc.assert(
      fc.property(plainRecord, fc.nat(9), (record, at) => {
        const own = naiveParts(record)
        const target = Buffer.alloc(at + own.length + 4, 0x7f)
        written(record).copyParts(target, at)
        const around = [Buffer.alloc(at, 0x7f), own, Buffer.alloc(4, 0x7f)]
        expect(target.equals(Buffer.concat(around))).toBe(true)
      }),
      RUNS,
    )
  })

  test.each([
    ['no headers', { headers: [] }],
    ['no key', { key: null }],
    ['no value', { value: null }],
    ['an empty key and value', { key: Buffer.alloc(0), value: Buffer.alloc(0) }],
    ['an empty header', { headers: [{ name: '', value: Buffer.alloc(0) }] }],
    ['a name past ASCII', { headers: [{ name: 'tidemark-é✈😀', value: Buffer.from('1') }] }],
    ['very many headers', { headers: Array.from({ length: 70 }, () => headerOf('h', 'v')) }],
    ['a value whose length takes three bytes', { value: Buffer.from(bytesOf(8_192)) }],
  ])('may have %s', (_, parts) => {
    const key = Buffer.from('k')
    const value = Buffer.from('{"p":0.5}')
    const headers = [headerOf('tidemark-id', 'events/0/7/scores')]
    const plain = { topic: TOPIC, partition: null, key, value, timestampMs: 5, headers, ...parts }
    expect(partsOf(written(plain))).toEqual(plain)
  })
})

describe('a batch', () => {
  const records = fc.array(plainRecord, { minLength: 1, maxLength: 12 })
  const maxBytes = fc.oneof(fc.constant(2 ** 30), fc.integer({ min: 62, max: 40_000 }))

  test('of written records is, byte for byte, that of the records they were written from', () => {
    fc.assert(
      fc.property(records, maxBytes, (plain, most) => {
        const made = plain.map((record, i) => written(record, i))
        expect(isDeepStrictEqual(batchesOf(made, most), batchesOf(plain, most))).toBe(true)
      }),
      RUNS,
    )
  })

  test('may have both, one beside the other', () => {
    fc.assert(
      fc.property(records, maxBytes, fc.infiniteStream(fc.boolean()), (plain, most, draws) => {
        const mixed = plain.map((record) => (draws.next().value ? written(record) : record))
        expect(isDeepStrictEqual(batchesOf(mixed, most), batchesOf(plain, most))).toBe(true)
      }),
      RUNS,
    )
  })

  test('is as long as its written records say', () => {
    fc.assert(
      fc.property(plainRecord, (record) => {
        const made = written(record)
        // Attributes, and the distances from the batch's own time and offset.
        const body = 3 + made.partsBytes
        const [batch] = batchesOf([made], 2 ** 30)
        expect(batch?.length).toBe(61 + varintBytes(body) + body)
      }),
      RUNS,
    )
  })
})

function headerOf(name: string, value: string) {
  return { name, value: Buffer.from(value) }
}
