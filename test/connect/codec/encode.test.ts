import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchEncoder, type EncodeOptions } from '../../../src/connect/kafka/codec/encode.ts'
import type { OutgoingRecord } from '../../../src/connect/record-format.ts'
import { encodeBatches, NO_PRODUCER } from '../../support/batches.ts'
import { COMPRESSION_NUMBERS, WRITABLE } from '../../support/compressions.ts'
import { naiveBatch, TRANSACTIONAL } from './naive-batch.ts'
import { anyRecords, decode, PLAIN, recordsOf } from './support.ts'

const PRODUCER = { id: 5, epoch: 2, baseSequence: 9, isTransactional: true }

function naively(records: readonly OutgoingRecord[], producer: EncodeOptions['producer']): Buffer {
  const base = BigInt(records[0]?.timestampMs ?? 0)
  const timestamps = records.map(({ timestampMs }) => timestampMs)
  return naiveBatch({
    records: records.map(({ timestampMs, ...parts }, offsetDelta) => ({
      ...parts,
      offsetDelta,
      timestampDelta: BigInt(timestampMs) - base,
    })),
    baseTimestamp: base,
    maxTimestamp: BigInt(Math.max(...timestamps)),
    attributes: producer.isTransactional ? TRANSACTIONAL : 0,
    producerId: BigInt(producer.id),
    epoch: producer.epoch,
    baseSequence: producer.baseSequence,
  })
}

/** Writes records and reads them again, without their offsets. */
function readAgain(
  encoder: BatchEncoder,
  records: readonly OutgoingRecord[],
  options: EncodeOptions,
) {
  return encodeBatches(records, options, encoder)
    .flatMap(({ bytes }) => recordsOf(bytes))
    .map(({ key, value, timestampMs, headers }) => ({ key, value, timestampMs, headers }))
}

function record(value: Buffer | null, timestampMs = 0): OutgoingRecord {
  return { key: null, value, timestampMs, headers: [] }
}

/** Bytes of the one batch that the records make. */
function bytesOf(records: readonly OutgoingRecord[]): number {
  return naively(records, NO_PRODUCER).length
}

describe('BatchEncoder', () => {
  test('writes, byte for byte, what the protocol says', () => {
    const encoder = new BatchEncoder()
    const producer = fc.constantFrom(NO_PRODUCER, PRODUCER, { ...PRODUCER, isTransactional: false })
    fc.assert(
      fc.property(anyRecords, producer, (records, by) => {
        const batches = encodeBatches(records, { ...PLAIN, producer: by }, encoder)
        expect(batches.map(({ bytes }) => bytes)).toEqual([naively(records, by)])
        expect(batches.map(({ count }) => count)).toEqual([records.length])
      }),
    )
  })

  test('writes what is read again, in any compression and in batches of any size', () => {
    const encoder = new BatchEncoder()
    const compression = fc.constantFrom(...WRITABLE)
    const maxBytes = fc.integer({ min: 1, max: 1_500 })
    fc.assert(
      fc.property(anyRecords, compression, maxBytes, (records, packing, most) => {
        const options = { ...PLAIN, compression: packing, maxBytes: most }
        expect(readAgain(encoder, records, options)).toEqual(records)
      }),
    )
  })

  test('makes no batch of nothing', () => {
    expect(encodeBatches([], PLAIN)).toEqual([])
  })

  test('splits where one more record would make the batch too large, and not before', () => {
    const encoder = new BatchEncoder()
    fc.assert(
      fc.property(anyRecords, fc.integer({ min: 62, max: 2_000 }), (records, maxBytes) => {
        const batches = encodeBatches(records, { ...PLAIN, maxBytes }, encoder)
        const naive: number[] = []
        let batch: OutgoingRecord[] = []
        for (const each of records) {
          if (batch.length > 0 && bytesOf([...batch, each]) > maxBytes) {
            naive.push(bytesOf(batch))
            batch = []
          }
          batch.push(each)
        }
        naive.push(bytesOf(batch))
        expect(batches.map(({ bytes }) => bytes.length)).toEqual(naive)
      }),
    )
  })

  test('sends a record alone that is over the limit by itself', () => {
    const records = [record(Buffer.alloc(5)), record(Buffer.alloc(500)), record(Buffer.alloc(5))]
    const batches = encodeBatches(records, { ...PLAIN, maxBytes: 200 })
    expect(batches.map(({ count }) => count)).toEqual([1, 1, 1])
  })

  test('counts sequence numbers on from batch to batch, and past the last begins at 0', () => {
    const records = Array.from({ length: 6 }, () => record(Buffer.alloc(10)))
    const maxBytes = bytesOf(records.slice(0, 2))
    const last = 2 ** 31 - 1
    const producer = { ...PRODUCER, baseSequence: last - 2 }
    const batches = encodeBatches(records, { ...PLAIN, maxBytes, producer })
    expect(batches.map(({ bytes }) => bytes.readInt32BE(53))).toEqual([last - 2, last, 1])
  })

  test('keeps the batches of one call while its memory grows', () => {
    const encoder = new BatchEncoder()
    for (let call = 0; call < 3; call++) {
      const records = Array.from({ length: 200 }, (_, i) => record(Buffer.alloc(5_000, i + call)))
      const read = readAgain(encoder, records, { ...PLAIN, maxBytes: 20_000 })
      expect(read.length).toBe(200)
      for (const [i, { value }] of read.entries()) {
        expect(value?.equals(records[i]?.value ?? Buffer.alloc(0))).toBe(true)
      }
    }
  })

  test('writes into the memory of the last call, and keeps no more than that took', () => {
    const encoder = new BatchEncoder()
    const memoryOf = (count: number) => {
      const records = Array.from({ length: count }, () => record(Buffer.alloc(5_000)))
      const batches = encodeBatches(records, { ...PLAIN, maxBytes: 20_000 }, encoder)
      return new Set(batches.map(({ bytes }) => bytes.buffer))
    }
    const first = memoryOf(200)
    const known = () => [...memoryOf(200)].filter((memory) => first.has(memory)).length
    expect(first.size).toBeGreaterThan(5)
    expect(known()).toBe(first.size)
    memoryOf(1)
    expect(known()).toBe(1)
  })

  test('leaves a batch as it is when compression would make it larger', () => {
    const records = [record(Buffer.from('x'))]
    const [packed] = encodeBatches(records, { ...PLAIN, compression: 'gzip' })
    const [plain] = encodeBatches(records, PLAIN)
    expect(packed?.bytes).toEqual(plain?.bytes)
  })

  test('makes what compresses smaller', () => {
    const records = Array.from({ length: 100 }, () => record(Buffer.from('again and again')))
    for (const compression of WRITABLE.filter((name) => name !== 'none')) {
      const [batch] = encodeBatches(records, { ...PLAIN, compression })
      expect(batch?.bytes.length).toBeLessThan(bytesOf(records) / 3)
      expect(batch?.bytes.readInt16BE(21)).toBe(COMPRESSION_NUMBERS[compression])
      expect(decode(batch?.bytes ?? Buffer.alloc(0)).length).toBe(100)
    }
  })

  test('knows more names of headers than it keeps', () => {
    const records = Array.from({ length: 1_000 }, (_, i) => ({
      ...record(null),
      headers: [{ name: `name-${i % 600}`, value: null }],
    }))
    expect(readAgain(new BatchEncoder(), records, PLAIN)).toEqual(records)
  })

  test.each([Number.NaN, 0.5, -2, 2 ** 53])('refuses the timestamp %d', (timestampMs) => {
    const encode = () => encodeBatches([record(null, timestampMs)], PLAIN)
    expect(encode).toThrow(`${timestampMs} is not a valid record timestamp`)
  })
})
