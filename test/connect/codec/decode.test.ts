import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readHeader } from '../../../src/connect/kafka/codec/batch-header.ts'
import type { RecordSetOptions } from '../../../src/connect/kafka/codec/record-set.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { COMPRESSION_NUMBERS } from '../../support/compressions.ts'
import {
  CONTROL,
  DELETE_HORIZON,
  LOG_APPEND_TIME,
  naiveBatch,
  naiveRecords,
  TRANSACTIONAL,
} from './naive-batch.ts'
import { decode, recordsOf } from './support.ts'

function errorOf(set: Buffer, options: Partial<RecordSetOptions> = {}): TidemarkError {
  try {
    decode(set, options)
  } catch (error) {
    if (error instanceof TidemarkError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const { gzip: GZIP, snappy: SNAPPY, lz4: LZ4, zstd: ZSTD } = COMPRESSION_NUMBERS
const one = naiveBatch({ baseOffset: 7n, records: [{ offsetDelta: 0, value: Buffer.from('one') }] })
const two = naiveBatch({
  baseOffset: 8n,
  records: [{ offsetDelta: 0 }, { offsetDelta: 1, value: Buffer.from('two') }],
})

function offsetsOf(set: Buffer, options: Partial<RecordSetOptions> = {}): number[] {
  return [...decode(set, options).offsets]
}

describe('a record set', () => {
  test('may be empty', () => {
    const read = decode(Buffer.alloc(0), { fromOffset: 5 })
    expect(read.length).toBe(0)
    expect(read.nextOffset).toBe(5)
  })

  test('gives the records of all its batches', () => {
    const read = decode(Buffer.concat([one, two]), { fromOffset: 7 })
    expect([...read.offsets]).toEqual([7, 8, 9])
    expect(read.nextOffset).toBe(10)
  })

  test('may end in the middle of a batch, which is left for the next fetch', () => {
    for (let bytes = 1; bytes < two.length; bytes++) {
      const read = decode(Buffer.concat([one, two.subarray(0, bytes)]), { fromOffset: 7 })
      expect([...read.offsets]).toEqual([7])
      expect(read.nextOffset).toBe(8)
    }
  })

  test('without any whole batch is refused: it would be fetched again and again', () => {
    expect(errorOf(one.subarray(0, 70), { fromOffset: 7 })).toMatchObject({
      code: 'BATCH_CORRUPT',
      message: '70 bytes hold no whole batch',
      where: 't-0@7',
    })
  })

  test('gives no record before the offset that was asked for', () => {
    expect(offsetsOf(two, { fromOffset: 9 })).toEqual([9])
    const before = decode(Buffer.concat([one, two]), { fromOffset: 20 })
    expect(before.length).toBe(0)
    expect(before.nextOffset).toBe(20)
  })

  test('with gaps, inside a batch and behind it, moves the position past them', () => {
    const gaps = naiveBatch({
      baseOffset: 100n,
      lastOffsetDelta: 9,
      records: [{ offsetDelta: 2 }, { offsetDelta: 5 }],
    })
    const read = decode(gaps, { fromOffset: 50 })
    expect([...read.offsets]).toEqual([102, 105])
    expect(read.nextOffset).toBe(110)
  })

  test('may hold compressed batches beside others', () => {
    const records = [{ offsetDelta: 0, value: Buffer.from('packed') }]
    const packed = naiveBatch({
      baseOffset: 10n,
      records,
      attributes: GZIP,
      body: gzipSync(naiveRecords(records)),
    })
    const values = recordsOf(Buffer.concat([one, two, packed])).map(({ value }) =>
      value?.toString(),
    )
    expect(values).toEqual(['one', undefined, 'two', 'packed'])
  })
})

const compressions = Object.entries(COMPRESSION_NUMBERS)
test.each<readonly [string, number, object]>([
  ...compressions.map(([name, compression]) => [name, compression, { compression }] as const),
  ['the time of the log', LOG_APPEND_TIME, { logAppendTimeMs: 9 }],
  ['a transaction', TRANSACTIONAL, { isTransactional: true }],
  ['a marker', CONTROL, { isControl: true }],
  ['a time to delete it, which is not for readers', DELETE_HORIZON, {}],
  ['bits that are not used', -0x80, {}],
])('attributes of a batch tell of %s', (_, attributes, told) => {
  const batch = naiveBatch({ attributes, maxTimestamp: 9n, records: [{ offsetDelta: 0 }] })
  const none = { compression: 0, logAppendTimeMs: null, isTransactional: false, isControl: false }
  expect(readHeader(batch, 0)).toMatchObject({ ...none, ...told })
})

describe('a record', () => {
  test('has headers as they were written: in order, repeated, without a value', () => {
    const headers = [
      { name: 'b', value: Buffer.from('1') },
      { name: 'a', value: null },
      { name: 'b', value: Buffer.from('2') },
      { name: '', value: Buffer.alloc(0) },
      { name: 'größe', value: Buffer.from('€') },
    ]
    const [record] = recordsOf(naiveBatch({ records: [{ offsetDelta: 0, headers }] }))
    expect(record?.headers).toEqual(headers)
  })

  test('tells what is missing from what is empty', () => {
    const set = naiveBatch({
      records: [
        { offsetDelta: 0, key: null, value: Buffer.alloc(0) },
        { offsetDelta: 1, key: Buffer.alloc(0), value: null },
      ],
    })
    expect(recordsOf(set).map(({ key, value }) => [key?.length, value?.length])).toEqual([
      [undefined, 0],
      [0, undefined],
    ])
  })

  test('has the timestamp that its producer gave it, however far from its neighbours', () => {
    const largest = 2n ** 63n - 1n
    const at = (baseTimestamp: bigint, timestampDelta: bigint) =>
      decode(naiveBatch({ baseTimestamp, records: [{ offsetDelta: 0, timestampDelta }] }))
        .timestampsMs[0]
    const now = 1_767_225_600_123n
    expect(at(now, 0n)).toBe(Number(now))
    expect(at(now, -now)).toBe(0)
    expect(at(0n, now)).toBe(Number(now))
    expect(at(now, 2n ** 40n)).toBe(Number(now + 2n ** 40n))
    // The sum is exact although neither part is a number of JavaScript.
    expect(at(largest, now - largest)).toBe(Number(now))
    expect(at(largest, 0n)).toBe(2 ** 63)
    expect(at(-1n, 0n)).toBe(-1)
  })

  test('has the time of the broker where the topic says so', () => {
    const set = naiveBatch({
      attributes: LOG_APPEND_TIME,
      baseTimestamp: 5n,
      maxTimestamp: 1_767_225_600_000n,
      records: [{ offsetDelta: 0 }, { offsetDelta: 1, timestampDelta: 3n }],
    })
    expect([...decode(set).timestampsMs]).toEqual([1_767_225_600_000, 1_767_225_600_000])
  })
})

describe('refused, with the place', () => {
  const records = [{ offsetDelta: 0, value: Buffer.from('x') }]

  test.each([0, 1])('message format %i', (format) => {
    const error = errorOf(naiveBatch({ baseOffset: 9n, format, records }).subarray(0, 30), {
      fromOffset: 9,
    })
    expect(error).toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `records are in message format ${format}`,
      where: 't-0@9',
    })
    expect(error.hint).toContain('copy the topic')
  })

  test.each([
    ['the last exact number', 2n ** 53n - 1n],
    ['2^53', 2n ** 53n],
    ['the largest', 2n ** 63n - 1n],
  ])('an offset of %s, after which no exact one comes', (_, baseOffset) => {
    const error = errorOf(naiveBatch({ baseOffset, records }))
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED', message: 'the offset is above 2^53' })
  })

  test('while the one before it is read', () => {
    const read = decode(naiveBatch({ baseOffset: 2n ** 53n - 2n, records }))
    expect([...read.offsets]).toEqual([2 ** 53 - 2])
    expect(read.nextOffset).toBe(2 ** 53 - 1)
  })

  test.each([5, 6, 7])('the unknown compression %i', (attributes) => {
    const message = `compression ${attributes} is not known`
    expect(errorOf(naiveBatch({ attributes, records }))).toMatchObject({
      ...{ code: 'NOT_SUPPORTED', message },
    })
  })

  test('a wrong checksum, and at which offset', () => {
    const broken = Buffer.from(two)
    broken.writeUInt8(broken.readUInt8(70) ^ 1, 70)
    expect(errorOf(Buffer.concat([one, broken]))).toMatchObject({
      code: 'BATCH_CORRUPT',
      message: `the checksum of a batch of ${two.length} bytes is wrong`,
      where: 't-0@8',
    })
  })

  test.each([
    ['a batch shorter than its header', (set: Buffer) => set.writeInt32BE(20, 8)],
    ['a batch of negative length', (set: Buffer) => set.writeInt32BE(-12, 8)],
  ])('%s', (_, spoil) => {
    const set = Buffer.from(one)
    spoil(set)
    const { code, message } = errorOf(set)
    expect(code).toBe('BATCH_CORRUPT')
    expect(message).toContain('shorter than its header')
  })

  const body = naiveRecords(records)
  /** Records of nothing, but that the first says it is so much longer. */
  const tooLong = (bytes: number) =>
    Buffer.from([2 * (6 + bytes), 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0])
  const control = { attributes: CONTROL }
  test.each([
    ['more records than offsets', { count: 2, lastOffsetDelta: 0 }, '1 offsets has 2 records'],
    [
      'more records than there are bytes for',
      { count: 1e9, lastOffsetDelta: 2 ** 30 },
      'cannot be in',
    ],
    [
      'fewer records than there are',
      { count: 1, body: Buffer.concat([body, body]) },
      'not as long',
    ],
    ['a negative count', { count: -1 }, 'has -1 records'],
    ['a negative last offset', { lastOffsetDelta: -1 }, '-1 past its first'],
    ['a negative offset', { baseOffset: -4n }, 'offset is -4'],
    [
      'an offset past the last',
      { lastOffsetDelta: 0, records: [{ offsetDelta: 1 }] },
      'offset 1 after',
    ],
    [
      'an offset again',
      { records: [{ offsetDelta: 0 }, { offsetDelta: 0 }], lastOffsetDelta: 1 },
      'offset 0 after 0',
    ],
    [
      'a record longer than its batch',
      { body: Buffer.concat([Buffer.from([40]), body]) },
      'not as long',
    ],
    [
      'a record longer than its parts',
      { count: 2, lastOffsetDelta: 1, body: tooLong(1) },
      'record at 0 is not as long',
    ],
    [
      'a record shorter than its parts',
      { count: 2, lastOffsetDelta: 1, body: tooLong(-1) },
      'record at 0 is not as long',
    ],
    [
      'a negative length',
      { body: Buffer.from([1, 0, 0, 0, 1, 1, 0]) },
      'record at 0 is not as long',
    ],
    [
      'more headers than there are',
      { body: Buffer.from([12, 0, 0, 0, 1, 1, 10]) },
      'fewer headers',
    ],
    ['a negative count of headers', { body: Buffer.from([12, 0, 0, 0, 1, 1, 1]) }, '-1 headers'],
    ['a header without a name', { body: Buffer.from([16, 0, 0, 0, 1, 1, 2, 1, 1]) }, 'no name'],
    ['no records where there should be one', { body: Buffer.alloc(0) }, 'cannot be in 0 bytes'],
    ['a marker without a key', { ...control, records: [{ offsetDelta: 0 }] }, 'no type'],
    [
      'a marker with half a key',
      { ...control, records: [{ offsetDelta: 0, key: Buffer.alloc(3) }] },
      'no type',
    ],
    [
      'a marker whose key is cut off',
      { ...control, body: Buffer.from([16, 0, 0, 0, 80, 0, 0]) },
      'no type',
    ],
    ['broken gzip', { attributes: GZIP, body: Buffer.from('no gzip at all') }, 'incorrect header'],
    ['broken snappy', { attributes: SNAPPY, body: Buffer.from([200, 1, 2, 3]) }, ''],
    [
      'broken lz4',
      { attributes: LZ4, body: Buffer.from('no lz4 at all') },
      'the data is not an LZ4 frame',
    ],
    [
      'broken zstd',
      { attributes: ZSTD, body: Buffer.from('no zstd at all') },
      'the data is not a zstd frame',
    ],
  ])('%s', (_, fields, message) => {
    const error = errorOf(naiveBatch({ records, ...fields }))
    expect(error.code).toBe('BATCH_CORRUPT')
    expect(error.message).toContain(message)
    expect(error.where).toMatch(/^t-0@-?\d+$/)
  })
})
