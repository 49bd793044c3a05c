import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { NO_RECORDS } from '../../src/connect/log-records.ts'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import {
  type Chunk,
  type JoinOptions,
  type LogRecord,
  type Member,
  MOST_UNPACKED_BYTES,
} from '../../src/connect/port.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { addOutcomes, NO_OUTCOMES } from '../../src/runtime/output/outcomes.ts'
import { fingerprintOf } from '../../src/runtime/start/fingerprint.ts'
import { headerOf } from '../support/headers.ts'
import { GROUP, run, send, sums, topics } from './memory-workers.ts'
import { START_MS, valuesOf } from './support.ts'

// A batch that unpacks to more than is allowed is set aside as it is, with the range of its
// offsets.

const EVENTS = { topic: 'events', partition: 0 }
const bytes = Buffer.from('a batch as it lies in the log')

/** Records that lie in the log as one batch. */
const PACKED = Buffer.from('packed')

/** A log that hands over such records packed. */
class PackedRecords extends MemoryRecords {
  override join(options: JoinOptions): Promise<Member> {
    const { handlers } = options
    const chunk = (whole: Chunk) => {
      for (const part of partsOf(whole)) handlers.chunk(part)
    }
    return super.join({ ...options, handlers: { ...handlers, chunk } })
  }
}

function partsOf(chunk: Chunk): Chunk[] {
  const all = [...chunk.records]
  const isPacked = (record: LogRecord) => record.key?.equals(PACKED) === true
  const begins = all.findIndex(isPacked)
  if (begins < 0) return [chunk]
  const behind = all.findIndex((record, i) => i > begins && !isPacked(record))
  const ends = behind < 0 ? all.length : behind
  const { offset, timestampMs, value } = all[begins] as LogRecord
  const count = ends - begins
  const error = new TidemarkError('BATCH_TOO_LARGE', 'the batch unpacks to more than is allowed')
  const packed = { offset, lastOffset: offset + count - 1, count, timestampMs, error }
  const parts = [
    { ...chunk, records: chunk.records.slice(0, begins), nextOffset: offset },
    { ...chunk, records: NO_RECORDS, packed: { ...packed, bytes: value as Buffer } },
    { ...chunk, records: chunk.records.slice(ends) },
  ].filter(({ records, packed: of }: Chunk) => records.length > 0 || of !== undefined)
  return parts.map((part) => (part.packed ? { ...part, nextOffset: offset + count } : part))
}

function batch(records: MemoryRecords, { count = 10, value = bytes, atMs = 5 } = {}): void {
  const record = { ...EVENTS, timestampMs: START_MS + atMs, key: PACKED, value, headers: [] }
  records.produce(Array.from({ length: count }, () => record))
}

function outcomesOf({ watch }: Awaited<ReturnType<typeof run>>) {
  return watch
    .of('processed')
    .map((e) => e.outcomes)
    .reduce(addOutcomes, NO_OUTCOMES)
}

const letterOf = (records: MemoryRecords): LogRecord =>
  records.read('events.dlq')[0] ?? expect.fail('there is no dead letter')

describe('a batch that unpacks to more than is allowed', () => {
  test('is one dead letter with the batch, its offsets and its id; its neighbours go on', async () => {
    const records = topics(new PackedRecords())
    send(records, ['a', 0], ['a', 1])
    batch(records)
    send(records, ['a', 2], ['a', 20_000])
    const ran = await run(records, [sums('a')])
    expect(outcomesOf(ran)).toEqual({
      scored: 0,
      windowed: 4,
      skipped: 0,
      duplicate: 0,
      late: 0,
      dead: 10,
    })
    expect(records.read('events.dlq')).toHaveLength(1)
    const letter = letterOf(records)
    expect([letter.key, letter.value, letter.timestampMs]).toEqual([null, bytes, START_MS + 5])
    const told = [
      ...['tidemark.code', 'tidemark-id', '__streams.errors.offset'],
      ...['tidemark.offset.last', 'tidemark.records'],
    ].map((name) => headerOf(letter, name))
    expect(told).toEqual(['BATCH_TOO_LARGE', 'events/0/2/events.dlq', '2', '11', '10'])
    expect(valuesOf(records.read('sums') as never, 'n')).toEqual([3])
    expect(records.committed(GROUP, EVENTS)?.nextOffset).toBe(14)
    expect(ran.watch.of('consumed').reduce((sum, e) => sum + e.records, 0)).toBe(14)
  })

  test('goes without its bytes where the dead-letter topic does not take them', async () => {
    const records = new PackedRecords()
    for (const topic of ['events', 'sums']) records.createTopic(topic, { partitions: 1 })
    records.createTopic('events.dlq', { partitions: 1, maxMessageBytes: 4_500 })
    const large = Buffer.alloc(5_000, 'x')
    batch(records, { count: 3, value: large, atMs: 0 })
    await run(records, [sums('a')])
    const letter = letterOf(records)
    expect(letter.value).toBeNull()
    expect(headerOf(letter, 'tidemark.value.size')).toBe('5000')
    const sha256 = createHash('sha256').update(large).digest('hex')
    expect(headerOf(letter, 'tidemark.value.sha256')).toBe(sha256)
  })

  test('that is read again for the windows comes to nothing a second time', async () => {
    const records = topics(new PackedRecords())
    send(records, ['a', 0])
    batch(records)
    send(records, ['a', 1])
    await run(records, [sums('a')])
    send(records, ['a', 20_000])
    const again = await run(records, [sums('a')])
    expect(again.watch.of('restored')[0]?.records).toBe(2)
    expect(records.read('events.dlq')).toHaveLength(1)
    expect(valuesOf(records.read('sums') as never, 'n')).toEqual([2])
  })

  test('is a dead letter of each topology on its source', async () => {
    const records = topics(new PackedRecords())
    batch(records)
    const ran = await run(records, [sums('a'), sums('b', { topic: 'others' })])
    expect(outcomesOf(ran).dead).toBe(20)
    const told = records.read('events.dlq').map((letter) => headerOf(letter, 'tidemark.topology'))
    expect(told).toHaveLength(2)
    // Each has a task of its own: which is first is nobody's promise.
    expect(new Set(told)).toEqual(new Set(['a', 'b']))
  })

  test('of which a part is committed counts for the rest', async () => {
    const records = topics(new PackedRecords())
    batch(records)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 4, metadata: '' })
    expect(outcomesOf(await run(records, [sums('a')])).dead).toBe(6)
    const told = ['__streams.errors.offset', 'tidemark.offset.last', 'tidemark.records']
    expect(told.map((name) => headerOf(letterOf(records), name))).toEqual(['4', '9', '6'])
  })
})

test('the limit is part of a fingerprint', () => {
  expect(fingerprintOf(sums('a'))).toBe(fingerprintOf(sums('a'), MOST_UNPACKED_BYTES))
  expect(fingerprintOf(sums('a'))).not.toBe(fingerprintOf(sums('a'), 2 ** 20))
})
