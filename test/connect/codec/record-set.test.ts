import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Portion,
  RecordSet,
  type RecordSetOptions,
} from '../../../src/connect/kafka/codec/record-set.ts'
import type { PackedBatch } from '../../../src/connect/port.ts'
import { runs } from '../../support/runs.ts'
import { type NaiveBatch, naiveBatch, naiveMarker, naiveRecords } from './naive-batch.ts'
import { type FetchedRecord, objectsIn, recordsOf } from './support.ts'

const GZIP = 1

function setOf(bytes: Buffer, options: Partial<RecordSetOptions> = {}): RecordSet {
  return new RecordSet(bytes, { partition: 't-0', fromOffset: 0, aborted: [], ...options })
}

function gzipped(batch: NaiveBatch): Buffer {
  return naiveBatch({ attributes: GZIP, body: gzipSync(naiveRecords(batch.records)), ...batch })
}

function objectsOf({ records }: Portion): FetchedRecord[] {
  return objectsIn(records)
}

async function portionsOf(set: RecordSet, most: { records: number; bytes: number }) {
  const portions: Portion[] = []
  while (!set.isRead) {
    const portion = set.next(most)
    if (portion === null) await set.unpack()
    else portions.push(portion)
  }
  return portions
}

const oneBatch = fc.record({
  kind: fc.constantFrom('plain', 'gzip', 'marker'),
  values: fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 12 }),
})

/** Batches that follow each other, and where they end. */
function logOf(batches: readonly { kind: string; values: readonly number[] }[]): Buffer {
  let offset = 0n
  return Buffer.concat(
    batches.map(({ kind, values }) => {
      const baseOffset = offset
      if (kind === 'marker') {
        offset += 1n
        return naiveMarker({ baseOffset, producerId: 5n, kind: 'commit' })
      }
      offset += BigInt(values.length)
      const records = values.map((length, offsetDelta) => ({
        offsetDelta,
        value: Buffer.alloc(length, offsetDelta),
      }))
      return kind === 'gzip'
        ? gzipped({ baseOffset, records })
        : naiveBatch({ baseOffset, records })
    }),
  )
}

describe('a record set, taken in portions of any size,', () => {
  test('gives every record once and in order, and ends where the whole ends', async () => {
    const any = fc.record({
      batches: fc.array(oneBatch, { minLength: 1, maxLength: 6 }),
      fromOffset: fc.nat({ max: 10 }),
      records: fc.integer({ min: 1, max: 15 }),
      bytes: fc.integer({ min: 1, max: 500 }),
      atOnceBytes: fc.constantFrom(1, 200, 10_000),
    })
    const property = fc.asyncProperty(
      any,
      async ({ batches, fromOffset, atOnceBytes, ...most }) => {
        const log = logOf(batches)
        const whole = setOf(log, { fromOffset })
        const all = recordsOf(log, { fromOffset })
        const set = setOf(log, { fromOffset, atOnceBytes })
        const portions = await portionsOf(set, most)
        expect(set.nextOffset).toBe(whole.nextOffset)
        expect(portions.flatMap(objectsOf)).toEqual(all)
        expect(portions.at(-1)?.nextOffset).toBe(whole.nextOffset)
        for (const portion of portions) {
          expect(portion.records.length).toBeLessThanOrEqual(most.records)
          const last = portion.records.offsets.at(-1) ?? -1
          expect(portion.nextOffset).toBeGreaterThan(last)
        }
        const ends = portions.map((p) => p.nextOffset)
        expect(ends).toEqual(ends.toSorted((a, b) => a - b))
      },
    )
    await fc.assert(property, { numRuns: runs(200) })
  })

  test('gives no more bytes than were asked for, unless one record has more', async () => {
    const log = logOf([{ kind: 'gzip', values: [100, 100, 100, 5_000, 100] }])
    const portions = await portionsOf(setOf(log), { records: 100, bytes: 250 })
    const lengths = portions.map((p) => objectsOf(p).map((r) => r.value?.length))
    expect(lengths).toEqual([[100, 100, 100], [5_000], [100]])
  })
})

describe('a batch that unpacks to more than is allowed', () => {
  const value = Buffer.alloc(3_000)
  const log = Buffer.concat([
    naiveBatch({ baseOffset: 0n, records: [{ offsetDelta: 0 }] }),
    gzipped({
      baseOffset: 1n,
      records: [
        { offsetDelta: 0, value },
        { offsetDelta: 3, value },
      ],
      lastOffsetDelta: 4,
      maxTimestamp: 77n,
    }),
    naiveBatch({ baseOffset: 6n, records: [{ offsetDelta: 0 }] }),
  ])
  const read = async (options: Partial<RecordSetOptions> = {}) =>
    portionsOf(setOf(log, { maxUnpackedBytes: 5_000, ...options }), { records: 100, bytes: 10_000 })

  test.each([
    ['found at once', 5_000],
    ['found while it is unpacked apart', 1_000],
  ])('is given as it lies in the log, its neighbours are read: %s', async (_, atOnceBytes) => {
    const portions = await read({ atOnceBytes })
    expect(portions.map((p) => [...p.records.offsets])).toEqual([[0], [], [6]])
    expect(portions.map((p) => p.nextOffset)).toEqual([1, 6, 7])
    const { error, bytes, ...range } = (portions[1] as Portion).packed as PackedBatch
    expect(range).toEqual({ offset: 1, lastOffset: 5, count: 2, timestampMs: 77 })
    expect([error.code, error.where]).toEqual(['BATCH_TOO_LARGE', 't-0@1'])
    expect(log.includes(bytes)).toBe(true)
    expect(bytes.readBigInt64BE(0)).toBe(1n)
  })

  test('counts no more records than there can be from where reading begins', async () => {
    const [first] = await read({ fromOffset: 5 })
    expect(first?.packed).toMatchObject({ offset: 5, lastOffset: 5, count: 1 })
  })

  test('is no batch with a wrong checksum', async () => {
    const damaged = Buffer.from(log)
    damaged.writeUInt8(damaged.readUInt8(180) ^ 1, 180)
    await expect(
      portionsOf(setOf(damaged, { maxUnpackedBytes: 5_000 }), { records: 9, bytes: 9 }),
    ).rejects.toMatchObject({ code: 'BATCH_CORRUPT' })
  })
})
