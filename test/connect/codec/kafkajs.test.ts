import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchEncoder } from '../../../src/connect/kafka/codec/encode.ts'
import type { OutgoingRecord } from '../../../src/connect/record-format.ts'
import { encodeBatches } from '../../support/batches.ts'
import { encodeWithKafkajs, recordsOfKafkajs } from './kafkajs-codec.ts'
import { anyRecords, PLAIN, recordsOf } from './support.ts'

/**
 * The library has no null values of headers, no order between names, and takes a null key, but no
 * timestamp of −1.
 */
function asTheLibraryHas(records: readonly OutgoingRecord[]): OutgoingRecord[] {
  return records.map((record, i) => ({
    ...record,
    timestampMs: Math.max(record.timestampMs, 0),
    headers: record.headers
      .slice(0, 1)
      .map(({ value }) => ({ name: `name-${i}`, value: value ?? Buffer.from('none') })),
  }))
}

const forTheLibrary = anyRecords.map(asTheLibraryHas)
const compression = fc.constantFrom('none' as const, 'gzip' as const)
const PRODUCER = { id: 7, epoch: 1, baseSequence: 4, isTransactional: true }

describe('kafkajs', () => {
  test('reads what is written here', async () => {
    const encoder = new BatchEncoder()
    await fc.assert(
      fc.asyncProperty(forTheLibrary, compression, async (records, packing) => {
        const [batch] = encodeBatches(records, { ...PLAIN, compression: packing }, encoder)
        const read = await recordsOfKafkajs(batch?.bytes ?? Buffer.alloc(0))
        expect(read).toEqual(records.map((record, offset) => ({ ...record, offset })))
      }),
    )
  })

  test('writes what is read here', async () => {
    await fc.assert(
      fc.asyncProperty(forTheLibrary, compression, async (records, packing) => {
        const set = await encodeWithKafkajs(records, { producer: PRODUCER, compression: packing })
        expect(recordsOf(set)).toEqual(records.map((record, offset) => ({ ...record, offset })))
      }),
    )
  })

  test('writes the same bytes', async () => {
    const encoder = new BatchEncoder()
    await fc.assert(
      fc.asyncProperty(forTheLibrary, async (records) => {
        const [ours] = encodeBatches(records, { ...PLAIN, producer: PRODUCER }, encoder)
        const theirs = await encodeWithKafkajs(records, { producer: PRODUCER, compression: 'none' })
        expect(ours?.bytes).toEqual(theirs)
      }),
    )
  })
})
