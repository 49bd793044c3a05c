import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { describeCounts, parsePosition, plainLetter } from '../../src/cli/dlq.ts'
import { writeResult } from '../../src/cli/print.ts'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { type Chunk, type LogRecord, type NewRecord } from '../../src/connect/port.ts'
import { countLetters, type LetterGroup, readLetter } from '../../src/jobs/dead-letters.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { deadLetter } from '../../src/runtime/output/dead-letter.ts'
import { run, send, sums } from '../runtime/memory-workers.ts'
import { START_MS } from '../runtime/support.ts'
import { readerOf } from '../support/letters.ts'
import { runs } from '../support/runs.ts'

const TOPIC = 'events.dlq'
const definition = sums('a')
const asIs = async (records: Iterable<LogRecord>) => records

function jobOn(records: MemoryRecords) {
  return { definition, read: readerOf(records) }
}

function topics(partitions = 2): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: 5 })
  for (const topic of ['events', 'sums', TOPIC]) records.createTopic(topic, { partitions })
  return records
}

interface Fault {
  readonly code?: 'LATE' | 'BATCH_TOO_LARGE' | 'RECORD_TOO_LARGE'
  readonly topology?: string
  readonly source?: string
  readonly record?: Partial<LogRecord>
  readonly batch?: number
  readonly maxBytes?: number
}

function letter(fault: Fault = {}): NewRecord {
  const { code = 'LATE', topology = 'a', source = 'events', batch, maxBytes = 1_000_000 } = fault
  const parts = { key: Buffer.from('k'), value: Buffer.from('{}'), headers: [] }
  const record = { ...parts, timestampMs: START_MS, offset: 7, ...fault.record }
  const error = new TidemarkError(code, 'why')
  const bytes = record.value as Buffer
  const packed = batch && { ...record, lastOffset: 6 + batch, count: batch, bytes, error }
  const limits = { maxBytes, beforeMs: Number.POSITIVE_INFINITY, afterMs: Number.POSITIVE_INFINITY }
  return deadLetter(
    { record, step: 'decode', window: null, error, ...(packed ? { packed } : {}) },
    {
      ...{ source: { topic: source, partition: 1 }, topology, topic: TOPIC, limits },
      present: { earliestMs: START_MS, latestMs: START_MS },
    },
  )
}

const count = async (records: MemoryRecords) => countLetters(jobOn(records), 'earliest')
const read = async (records: MemoryRecords, offset: number, partition = 1) =>
  readLetter(jobOn(records), { partition, offset }, asIs)

function numbers(groups: readonly LetterGroup[]): Record<string, number> {
  const pairs = groups.map(({ words, letters }) => [Object.values(words).join(' '), letters])
  return Object.fromEntries(pairs) as Record<string, number>
}

test('the counts by code and step are those of the faults that a worker met', async () => {
  const records = topics(1)
  const bad = (value: string | null, key: string | null = 'a') =>
    records.produce([
      {
        ...{ topic: 'events', partition: 0, timestampMs: START_MS + 20_000, headers: [] },
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
      },
    ])
  send(records, ['a', 20_000])
  const event = (at: number) => JSON.stringify({ key: 'a', at, amount: 1 })
  for (let n = 0; n < 7; n++) bad('{')
  for (let n = 0; n < 6; n++) bad('{"key":1}')
  for (let n = 0; n < 5; n++) bad(null)
  for (let n = 0; n < 4; n++) bad(event(START_MS / 1_000))
  for (let n = 0; n < 3; n++) bad(event(START_MS))
  for (let n = 0; n < 2; n++) bad(event(START_MS + 86_400_000))
  await run(records, [definition])
  const { letters, reasons, hours, others } = await count(records)
  expect(numbers(reasons)).toEqual({
    'JSON_INVALID decode record': 7,
    'SCHEMA_INVALID decode record': 6,
    'TOMBSTONE decode record': 5,
    'TIME_UNIT decode record': 4,
    'LATE tumbling record': 3,
    'FUTURE events record': 2,
  })
  expect([letters, numbers(hours), others]).toEqual([27, { '2026-01-01T00': 27 }, []])
})

test('hours are those of timestamps, and the oldest letter is the one with the earliest', async () => {
  const records = topics()
  const at = (timestampMs: number) => ({ ...letter(), timestampMs })
  records.produce([at(START_MS + 3_600_000), at(START_MS + 5), at(-1), at(START_MS + 9)])
  records.produce([at(8.64e15), at(2 ** 62)])
  const { reasons, hours } = await count(records)
  expect(numbers(hours)).toEqual({ '2026-01-01T00': 2, '2026-01-01T01': 1, none: 3 })
  const oldest = { partition: 1, offset: 1, time: '2026-01-01T00:00:00.005Z' }
  expect(reasons[0]?.oldest).toEqual(oldest)
})

test('records that are not of the topology are told apart, as are batches and letters without value', async () => {
  const records = topics()
  const foreign: NewRecord = { ...letter(), headers: [] }
  const value = Buffer.alloc(3_000)
  records.produce([
    ...[letter(), letter({ topology: 'b' }), letter({ source: 'events-2' }), foreign],
    letter({ code: 'BATCH_TOO_LARGE', batch: 10, record: { key: null } }),
    letter({ code: 'RECORD_TOO_LARGE', record: { value }, maxBytes: 2_000 }),
  ])
  const { letters, reasons, others } = await count(records)
  expect([letters, numbers(reasons), numbers(others)]).toEqual([
    3,
    {
      'LATE decode record': 1,
      'BATCH_TOO_LARGE decode whole batch': 1,
      'RECORD_TOO_LARGE decode without value': 1,
    },
    { 'of topology b': 1, 'from topic events-2': 1, 'without a reason of Tidemark': 1 },
  ])
})

test('a batch that cannot be unpacked is counted among other records, and ends nothing', async () => {
  const records = topics()
  records.produce([letter(), letter()])
  const job = jobOn(records)
  const error = new TidemarkError('BATCH_TOO_LARGE', 'it unpacks to too much')
  const place = { offset: 0, lastOffset: 0, count: 1, timestampMs: 0, bytes: Buffer.alloc(0) }
  const withPacked = {
    ...job,
    read: async (options: Parameters<typeof job.read>[0]) => {
      expect(options.takesPacked).toBe(true)
      const whole = await job.read(options)
      async function* chunks(): AsyncGenerator<Chunk> {
        for await (const chunk of whole) {
          const { records: all, ...others } = chunk
          const packed = { ...place, error }
          yield { ...others, records: all.slice(0, 0), packed }
          yield { ...others, records: all.slice(1) }
        }
      }
      return { ...whole, [Symbol.asyncIterator]: chunks }
    },
  }
  const { letters, others } = await countLetters(withPacked, 'earliest')
  expect([letters, numbers(others)]).toEqual([1, { 'it unpacks to too much': 1 }])
  await expect(readLetter(withPacked, { partition: 1, offset: 0 }, asIs)).rejects.toBe(error)
})

test('forged words are shortened, and from a number of them on are one group', async () => {
  const records = topics()
  const forged = Array.from({ length: 10_050 }, (_, i) => letter({ topology: `t${i}` }))
  const long = letter({ topology: 'x'.repeat(500_000) })
  records.produce([long, ...forged, letter()])
  const counts = await count(records)
  const { letters, others } = counts
  expect(letters).toBe(1)
  expect(others.length).toBe(10_001)
  expect(numbers(others)).toMatchObject({ others: 51 })
  expect(Math.max(...Object.keys(numbers(others)).map((name) => name.length))).toBe(100)
  expect((await read(records, 0)).at.topology).toHaveLength(1_024)
  expect(describeCounts(counts).split('\n').length).toBeLessThan(70)
})

test('a letter is shown with its reason, its place in the source, and its value as JSON', async () => {
  const records = topics()
  const value = Buffer.from('{"a":[1,{"b":null}]}')
  const headers = [{ name: 'trace', value: Buffer.from([0xff, 0]) }]
  records.produce([letter(), letter({ record: { value, headers } })])
  const plain = plainLetter(await read(records, 1))
  expect(plain).toMatchObject({
    ...{ topic: TOPIC, partition: 1, offset: 1, time: '2026-01-01T00:00:00.000Z' },
    ...{ why: null, code: 'LATE', message: 'why', step: 'decode', kind: 'record' },
    help: 'docs/errors.md#dead-letters',
    source: { topology: 'a', topic: 'events', partition: 1, offset: 7 },
    ...{ key: 'k', value: { a: [1, { b: null }] } },
  })
  expect(plain.headers).toContainEqual(['trace', { hex: 'ff00' }])
  expect(plain.headers).toContainEqual(['tidemark.code', 'LATE'])
})

test.each([
  ['no JSON', '{"a":', '{"a":'],
  ['a number that is not one of float64', '{"a":12345678901234567890}', undefined],
  ['a name twice', '{"a":1,"a":2}', undefined],
  ['nested 10,000 deep', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, undefined],
  ['null', 'null', 'null'],
])('a value that JSON would change stays text: %s', async (_, text, shown = text) => {
  const records = topics()
  records.produce([letter({ record: { value: Buffer.from(text) } })])
  expect(plainLetter(await read(records, 0)).value).toBe(shown)
})

test('other bytes are shown in hex, and a batch is never decoded', async () => {
  const records = topics()
  const value = Buffer.from([0, 0, 0, 0, 1, 0xff])
  records.produce([
    letter({ code: 'BATCH_TOO_LARGE', batch: 3, record: { value, key: null } }),
    letter({ record: { value } }),
  ])
  const show = vi.fn<typeof asIs>(asIs)
  const job = jobOn(records)
  const at = (offset: number) => readLetter(job, { partition: 1, offset }, show)
  const batch = plainLetter(await at(0))
  expect([batch.kind, batch.key, batch.value]).toEqual([
    'whole batch',
    null,
    { hex: '0000000001ff' },
  ])
  expect(show).not.toHaveBeenCalled()
  expect(plainLetter(await at(1)).value).toEqual({ hex: '0000000001ff' })
  expect(show).toHaveBeenCalledOnce()
})

test('a position without a record is refused, with what there is', async () => {
  const records = topics()
  records.produce([letter(), letter(), letter()])
  records.deleteBefore({ topic: TOPIC, partition: 1, offset: 1 })
  const fault = (message: string, hint: string) =>
    expect.objectContaining({ code: 'CONFIG_INVALID', message, hint })
  const has = 'partition 1 of 2 has 2 offsets, from 1 on'
  const deleted = '"events.dlq" does not have this record: retention has deleted it'
  const beyond = '"events.dlq" does not have this record: it would be beyond the end'
  await expect(read(records, 0)).rejects.toEqual(fault(deleted, has))
  await expect(read(records, 3)).rejects.toEqual(fault(beyond, has))
  const none = 'partition 7 of 2 has 0 offsets, from 0 on'
  await expect(read(records, 0, 7)).rejects.toEqual(fault(beyond, none))
  expect((await read(records, 2)).offset).toBe(2)
})

test.each(['', '1', 'a/b', '1/', '-1/2', '1/2/3', '1/1e3', '0/99999999999999999'])(
  '%j is refused as a position',
  (text) => expect(() => parsePosition(text)).toThrow('must be PARTITION/OFFSET'),
)

/** What a command writes for people, and as JSON. */
async function printed(plain: object, text: string): Promise<string> {
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((_, ...[done]: unknown[]) => {
    if (typeof done === 'function') done()
    return true
  })
  await writeResult(true, plain, '')
  await writeResult(false, plain, text)
  const all = stdout.mock.calls.map(([part]) => String(part)).join('')
  stdout.mockRestore()
  return all
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => Buffer.from(text)),
  fc.constantFrom('\u001b[2J', '\u009b31m', '\u202egpj', 'a', 'events').map((t) => Buffer.from(t)),
)
const RESERVED = ['code', 'message', 'stage', 'topology', 'records', 'value.omitted', 'timestamp']
const reserved = RESERVED.map((name) => `tidemark.${name}`)
const places = ['topic', 'partition', 'offset'].map((name) => `__streams.errors.${name}`)
const name = fc.oneof(
  fc.constantFrom(...reserved, ...places),
  fc.string({ unit: 'binary', maxLength: 10 }),
)

test('whatever a record in the topic holds, nothing that is printed controls a terminal', async () => {
  const headers = fc.array(fc.record({ name, value: bytes }), { maxLength: 12 })
  const record = { key: fc.option(bytes), value: fc.option(bytes), headers, isOwn: fc.boolean() }
  const timestampMs = fc.oneof(fc.integer(), fc.maxSafeInteger())
  await fc.assert(
    fc.asyncProperty(fc.record({ ...record, timestampMs }), async ({ isOwn, ...forged }) => {
      const records = topics()
      const own = isOwn ? letter().headers : []
      const all = [...forged.headers, ...own]
      records.produce([{ ...forged, topic: TOPIC, partition: 1, headers: all }])
      const counts = await count(records)
      const plain = plainLetter(await read(records, 0))
      const text = `${await printed(counts, describeCounts(counts))}${await printed(plain, '')}`
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u)
    }),
    { numRuns: runs(1_000) },
  )
})
