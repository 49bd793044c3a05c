import * as fc from 'fast-check'
import { defineTopology, minutes, type SourceRecord } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import 'tidemark/testing/vitest'
import { ListedRecords } from '../../src/connect/log-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type { SourceDefinition } from '../../src/topology/definition.ts'
import { startDriver } from '../support/driver.ts'
import { jsonFormatOf } from '../support/format.ts'
import { HASH } from '../support/hash.ts'

// Functions of the source that take the record, and what becomes of records without a value.

const NOON_MS = Date.UTC(2026, 0, 1, 12)
const Reading = z.object({ sensor: z.string(), at: z.int() })
type Reading = z.infer<typeof Reading>

const options = {
  schema: Reading,
  key: (r: Reading) => r.sensor,
  eventTimeMs: (r: Reading) => r.at,
  watermark: { lag: minutes(1) },
  onLate: 'dead-letter',
} as const

interface Changes {
  readonly key?: (r: Reading, record: SourceRecord) => string
  readonly eventTimeMs?: ((r: Reading, record: SourceRecord) => number) | 'record'
  readonly onTombstone?: 'skip' | ((key: string, record: SourceRecord) => Reading)
}

/** Counts readings by minute and key. */
function counting(changes: Changes) {
  return defineTopology('counting', (t) =>
    t
      .source('readings', { ...options, ...changes })
      .tumbling(minutes(1))
      .aggregate({}, (a) => ({ readings: a.count() }))
      .sink('minutes'),
  )
}

function copying(changes: Changes) {
  return defineTopology('copying', (t) =>
    t.source('readings', { ...options, ...changes }).sink('copies'),
  )
}

const reading = (second: number, sensor = 's-1') => ({ sensor, at: NOON_MS + second * 1_000 })

describe('a function that takes the record', () => {
  test('reads its headers, the last one of a name, and all that the log has of it', async () => {
    const seen: unknown[] = []
    const key = (r: Reading, record: SourceRecord) => {
      const { topic, partition, offset, timestampMs, value, headers } = record
      seen.push({ topic, partition, offset, timestampMs, key: String(record.key) })
      seen.push([JSON.parse(String(value)), headers.map(({ name, value: v }) => [name, String(v)])])
      seen.push([record.header('tenant'), record.header('none')])
      return r.sensor
    }
    const driver = await startDriver(copying({ key }))
    const headers = { other: 'o', tenant: 'acme' }
    await driver.pipeRecords({ key: 'k', value: reading(0), timestampMs: NOON_MS + 5, headers })
    expect(seen).toEqual([
      { topic: 'readings', partition: 0, offset: 0, timestampMs: NOON_MS + 5, key: 'k' },
      [
        reading(0),
        [
          ['other', 'o'],
          ['tenant', 'acme'],
        ],
      ],
      ['acme', undefined],
    ])
    expect(driver).toHaveOutcomes({ scored: 1 })
  })

  test('makes keys that windows are kept by, also after a restart', async () => {
    const key = (_: Reading, record: SourceRecord) => record.header('tenant') ?? 'nobody'
    const driver = await startDriver(counting({ key }))
    const of = (tenant: string, second: number) => {
      return { value: reading(second), key: 'k', headers: { tenant } }
    }
    await driver.pipeRecords([of('a', 0), of('b', 1), of('a', 2)])
    await driver.crash()
    await driver.restart()
    await driver.pipeRecords([of('a', 3)])
    await driver.closeWindows()
    expect(driver.outputs('minutes').map(({ key: k, value }) => [k, value.readings])).toEqual([
      ['a', 3],
      ['b', 1],
    ])
  })

  test('that throws, or returns no key, sets its record aside', async () => {
    const key = (_: Reading, record: SourceRecord) => record.header('tenant')?.slice(1) as string
    const driver = await startDriver(copying({ key }))
    await driver.pipeRecords([
      { value: reading(0), key: 'k' },
      { value: reading(0), key: 'k', headers: { tenant: 'x' } },
      { value: reading(0), key: 'k', headers: { tenant: 'xy' } },
    ])
    expect(driver.deadLetters().map((d) => d.code)).toEqual(['KEY_INVALID', 'KEY_INVALID'])
    expect(driver).toHaveOutcomes({ scored: 1, dead: 2 })
  })
})

describe("the record's own time", () => {
  test('is the event time', async () => {
    const driver = await startDriver(counting({ eventTimeMs: 'record' }))
    await driver.pipeRecords(
      [0, 30, 60].map((second) => {
        return { value: reading(0), timestampMs: NOON_MS + second * 1_000 }
      }),
    )
    await driver.closeWindows()
    expect(driver.outputs('minutes').map(({ value }) => value)).toMatchObject([
      { windowStartMs: NOON_MS, readings: 2 },
      { windowStartMs: NOON_MS + 60_000, readings: 1 },
    ])
  })

  test('sets a record aside that has none, or one in another unit', async () => {
    const driver = await startDriver(copying({ eventTimeMs: 'record' }))
    await driver.pipeRecords([
      { value: reading(0), timestampMs: -1 },
      { value: reading(0), timestampMs: NOON_MS / 1_000 },
    ])
    expect(driver.deadLetters().map((d) => [d.code, d.message])).toEqual([
      ['TIME_INVALID', 'the record has no timestamp'],
      ['TIME_UNIT', `the record's timestamp ${NOON_MS / 1_000} looks like seconds`],
    ])
  })

  test('fills in for an event that has none', async () => {
    const eventTimeMs = (r: Reading, record: SourceRecord) => r.at || record.timestampMs
    const driver = await startDriver(copying({ eventTimeMs }))
    await driver.pipeRecords({ value: { sensor: 's', at: 0 }, timestampMs: NOON_MS })
    expect(driver.watermarkMs()).toBe(NOON_MS - 60_000)
  })
})

describe('a tombstone', () => {
  const records = [
    { value: reading(0) },
    { key: 's-2', value: null, timestampMs: NOON_MS, headers: { at: String(NOON_MS + 1_000) } },
    { value: reading(2, 's-2') },
  ]

  test('is a dead letter, where the source says nothing else', async () => {
    const driver = await startDriver(copying({}))
    await driver.pipeRecords(records)
    expect(driver).toHaveDeadLetter('TOMBSTONE', { source: { partition: 0, offset: 1 } })
    expect(driver).toHaveOutcomes({ scored: 2, dead: 1 })
  })

  test('is counted as skipped, where the source skips them', async () => {
    const driver = await startDriver(copying({ onTombstone: 'skip' }))
    await driver.pipeRecords([...records, { key: null, value: null }])
    expect(driver.deadLetters()).toEqual([])
    expect(driver).toHaveOutcomes({ scored: 2, skipped: 2 })
    expect(driver.outputs('copies').map(({ value }) => value.sensor)).toEqual(['s-1', 's-2'])
  })

  test('is the event that a function makes of its key, also after a restart', async () => {
    const onTombstone = (sensor: string, record: SourceRecord) => {
      return { sensor, at: Number(record.header('at')) }
    }
    const driver = await startDriver(counting({ onTombstone }))
    await driver.pipeRecords(records)
    await driver.crash()
    await driver.restart()
    await driver.closeWindows()
    expect(driver.outputs('minutes').map(({ key, value }) => [key, value.readings])).toEqual([
      ['s-1', 1],
      ['s-2', 2],
    ])
  })

  test('whose event is none, whose function throws or whose key is no text, is set aside', async () => {
    const onTombstone = (sensor: string): Reading => {
      if (sensor === 'bad') throw new Error('no')
      if (sensor === 'late') return Promise.reject(new Error('late')) as never
      return { sensor, at: 'now' as never }
    }
    const driver = await startDriver(copying({ onTombstone }))
    await driver.pipeRecords([
      { key: 's-1', value: null },
      { key: 'bad', value: null },
      { key: 'late', value: null },
      { key: null, value: null },
    ])
    const codes = ['SCHEMA_INVALID', 'FUNCTION_THREW', 'FUNCTION_THREW', 'NULL_KEY']
    expect(driver.deadLetters().map((d) => d.code)).toEqual(codes)
    const key = Buffer.of(0xff)
    const { faults } = taken({ ...copying({ onTombstone }).source }, [{ ...NONE, key }])
    expect(faults).toEqual([[0, 'KEY_INVALID']])
  })
})

const NONE = { offset: 0, timestampMs: -1, value: null, headers: [] }

/** The keys, times, offsets and faults that a decoder makes of records. */
function taken(source: SourceDefinition, records: readonly LogRecord[]) {
  const keyNumbers = new Dictionary(HASH)
  const decoder = new RecordDecoder(source, jsonFormatOf({ ...copying({}), source }), {
    from: { topic: 'readings', partition: 0 },
    partitions: null,
    keyNumbers,
  })
  const {
    batch,
    faults,
    records: left,
  } = atOnce(decoder.decode(new ListedRecords(records), new Slices(() => 0)))
  return {
    keys: Array.from(batch.keys, (number) => keyNumbers.cellOf(number)),
    timesMs: Array.from(batch.timesMs),
    offsets: [...left].map(({ offset }) => offset),
    faults: faults.map(({ record, error }) => [record.offset, error.code]),
  }
}

const values = fc.oneof(
  { weight: 5, arbitrary: fc.record({ sensor: fc.string(), at: fc.nat() }) },
  fc.record({ sensor: fc.string() }),
  fc.constant(null),
)

test('functions are answered alike, whether they are read or called with the record', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(values, fc.boolean())), fc.boolean(), (given, skips) => {
      const records = given.map(([value, hasKey], offset): LogRecord => {
        const event = value && 'at' in value ? { ...value, at: NOON_MS + value.at } : value
        const bytes = event === null ? null : Buffer.from(JSON.stringify(event))
        const key = hasKey ? Buffer.from('k') : null
        return { offset, timestampMs: NOON_MS, key, value: bytes, headers: [] }
      })
      const { source } = copying(skips ? { onTombstone: 'skip' } : {})
      const called = copying({
        ...(skips ? { onTombstone: 'skip' as const } : {}),
        key: (r, record) => (record.offset < 0 ? '' : r.sensor),
        eventTimeMs: (r, record) => (record.offset < 0 ? 0 : r.at),
      })
      const read = taken(source, records)
      expect(taken(called.source, records)).toEqual(read)
      const tombstones = records.filter(({ value }) => value === null).length
      const skipped = skips ? tombstones : 0
      expect(read.offsets.length + read.faults.length).toBe(records.length - skipped)
    }),
  )
})
