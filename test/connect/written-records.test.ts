import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchEncoder } from '../../src/connect/kafka/codec/encode.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { partsBytes, varintBytes } from '../../src/connect/record-format.ts'
import { WrittenRecords } from '../../src/connect/written-records.ts'
import { ByteRoom } from '../../src/kernel/bytes.ts'
import { atOnce } from '../../src/kernel/slices.ts'
import { encodeBatches } from '../support/batches.ts'
import { plainRecords } from '../support/plain-records.ts'
import { runs } from '../support/runs.ts'
import { naiveParts } from './codec/naive-batch.ts'
import { PLAIN } from './codec/support.ts'

const RUNS = { numRuns: runs(300) }
const TOPIC = 'scores'

const part = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 150 }) },
  // Where one more byte of length is taken.
  { weight: 2, arbitrary: fc.constantFrom(63, 64, 8_191, 8_192, 20_000).map((n) => bytesOf(n)) },
)
const anyBytes = part.map((array) => Buffer.from(array))
/** Makes plain objects, like those written in code. */
const PLAIN_OBJECT = { noNullPrototype: true } as const
const header = fc.record(
  { name: fc.string({ maxLength: 70, unit: 'grapheme' }), value: anyBytes },
  PLAIN_OBJECT,
)

const WITHOUT_KEY = { topic: TOPIC, partition: null, key: null, timestampMs: 5, headers: [] }

const plainRecord: fc.Arbitrary<NewRecord> = fc.record(
  {
    topic: fc.constant(TOPIC),
    partition: fc.constant(null),
    key: fc.option(anyBytes),
    value: fc.option(anyBytes),
    timestampMs: fc.oneof(fc.maxSafeNat(), fc.constant(-1)),
    headers: fc.array(header, { maxLength: 4 }),
  },
  PLAIN_OBJECT,
)

function bytesOf(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i)
}

describe('records that are written', () => {
  test('have the parts of the records that they were written from', () => {
    fc.assert(
      fc.property(fc.array(plainRecord, { maxLength: 20 }), (plain) => {
        const written = WrittenRecords.of(plain)
        expect(isDeepStrictEqual(plainRecords(written), plain)).toBe(true)
        expect(plain.map((_, i) => written.valueBytes(i))).toEqual(
          plain.map(({ value }) => value?.length ?? 0),
        )
        const sizes = plain.map((record) => naiveParts(record).length)
        expect(plain.map((_, i) => written.partsBytes(i))).toEqual(sizes)
        expect(plain.map(partsBytes)).toEqual(sizes)
      }),
      RUNS,
    )
  })

  test('are appended to a room, and nothing beside them', () => {
    fc.assert(
      fc.property(fc.array(plainRecord, { minLength: 1, maxLength: 5 }), fc.nat(9), (plain, at) => {
        const room = new ByteRoom(0)
        room.append(Buffer.alloc(at, 0x7f))
        WrittenRecords.of(plain).appendTo(room, plain.length - 1)
        const own = naiveParts(plain.at(-1) as NewRecord)
        const appended = Buffer.concat([Buffer.alloc(at, 0x7f), own])
        expect(room.bytes.subarray(0, room.used).equals(appended)).toBe(true)
      }),
      RUNS,
    )
  })

  test('stay as they are, whatever is taken of them or taken back', () => {
    fc.assert(
      fc.property(fc.array(plainRecord, { maxLength: 12 }), fc.nat(12), (plain, at) => {
        const written = WrittenRecords.of(plain)
        const some = new WrittenRecords()
        some.addAll(written, at)
        for (let i = 0; i < Math.min(at, plain.length); i++) some.addFrom(written, i)
        const turned = [...plain.slice(at), ...plain.slice(0, at)]
        expect(isDeepStrictEqual(plainRecords(some), turned)).toBe(true)
        written.cut(at)
        for (const record of plain) written.write(record, record.topic, record.partition)
        const again = [...plain.slice(0, at), ...plain]
        expect(isDeepStrictEqual(plainRecords(written), again)).toBe(true)
        expect(isDeepStrictEqual(plainRecords(some), turned)).toBe(true)
      }),
      RUNS,
    )
  })

  test('are joined in order', () => {
    const lists = fc.array(fc.array(plainRecord, { maxLength: 4 }), { maxLength: 6 })
    fc.assert(
      fc.property(lists, (all) => {
        const joined = WrittenRecords.joined(all.map((plain) => WrittenRecords.of(plain)))
        expect(isDeepStrictEqual(plainRecords(joined), all.flat())).toBe(true)
      }),
      RUNS,
    )
  })

  test('leave their memory to others once they are free, and not before', () => {
    const filled = (byte: number) => {
      const value = Buffer.alloc(20_000, byte)
      return Array.from({ length: 10 }, () => ({ ...WITHOUT_KEY, value }))
    }
    const before = WrittenRecords.of(filled(1))
    const memory = before.parts(9).buffer
    const meanwhile = WrittenRecords.of(filled(2))
    before.free()
    const after = WrittenRecords.of(filled(3))
    expect(new Set(Array.from(after, (_, i) => after.parts(i).buffer))).toContain(memory)
    expect(isDeepStrictEqual(plainRecords(meanwhile), filled(2))).toBe(true)
    expect(isDeepStrictEqual(plainRecords(after), filled(3))).toBe(true)
    expect(before).toHaveLength(0)
  })

  test('do not give away the memory of others that they were taken from', () => {
    const plain = Array.from({ length: 10 }, (_, i) => {
      return { ...WITHOUT_KEY, value: Buffer.alloc(20_000, i) }
    })
    const written = WrittenRecords.of(plain)
    const some = new WrittenRecords()
    some.addAll(written, 5)
    some.free()
    WrittenRecords.of(plain.map((record) => ({ ...record, value: Buffer.alloc(20_000, 99) })))
    expect(isDeepStrictEqual(plainRecords(written), plain)).toBe(true)
  })

  test.each([
    ['no headers', { headers: [] }],
    ['no key', { key: null }],
    ['no value', { value: null }],
    ['a partition of their own', { partition: 0 }],
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
    expect(plainRecords(WrittenRecords.of([plain]))).toEqual([plain])
  })

  test('may be written by hand, where there is room', () => {
    const plain = { topic: TOPIC, partition: null, key: null, value: Buffer.from('v'), headers: [] }
    const written = new WrittenRecords()
    for (let n = 0; n < 1_000; n++) {
      const room = written.room()
      const start = room.used
      room.append(naiveParts({ ...plain, key: Buffer.from(`key ${n}`) }))
      written.add(TOPIC, n, start)
    }
    expect(plainRecords(written)).toEqual(
      Array.from({ length: 1_000 }, (_, n) => {
        return { ...plain, key: Buffer.from(`key ${n}`), timestampMs: n }
      }),
    )
  })

  test('go where their key says, or to their own partition', () => {
    fc.assert(
      fc.property(
        plainRecord,
        fc.option(fc.nat(40)),
        fc.integer({ min: 1, max: 40 }),
        (record, own, count) => {
          const one = { ...record, partition: own }
          expect(WrittenRecords.of([one]).partitionOf(0, count)).toBe(partitionOf(one, count))
        },
      ),
      RUNS,
    )
  })
})

describe('a batch', () => {
  test('of some of them is, byte for byte, that of these alone', () => {
    const most = fc.oneof(fc.constant(2 ** 30), fc.integer({ min: 62, max: 40_000 }))
    const some = fc.array(fc.tuple(plainRecord, fc.boolean()), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(some, most, (all, maxBytes) => {
        const records = WrittenRecords.of(all.map(([record]) => record))
        const indices = all.flatMap(([, isTaken], i) => (isTaken ? [i] : []))
        const options = { ...PLAIN, maxBytes }
        const these = all.flatMap(([record, isTaken]) => (isTaken ? [record] : []))
        const batches = atOnce(new BatchEncoder().encode({ records, indices }, options))
        const alone = encodeBatches(these, options)
        expect(isDeepStrictEqual(batches, alone)).toBe(true)
      }),
      RUNS,
    )
  })

  test('is as long as its record says', () => {
    fc.assert(
      fc.property(plainRecord, (record) => {
        // Attributes, and the distances from the batch's own time and offset.
        const body = 3 + partsBytes(record)
        const [batch] = encodeBatches([record], PLAIN)
        expect(batch?.bytes.length).toBe(61 + varintBytes(body) + body)
      }),
      RUNS,
    )
  })
})

function headerOf(name: string, value: string) {
  return { name, value: Buffer.from(value) }
}
