import { cloudEvents, defineTopology, minutes, type RecordWithValue, seconds, text } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fingerprintOf } from '../../src/runtime/fingerprint.ts'
import { startDriver } from '../support/driver.ts'
import { thrownIn } from '../support/thrown.ts'
import 'tidemark/testing/vitest'

// Sources of text, of CloudEvents, and of what a function decodes, through a worker.

const NOON_MS = Date.UTC(2026, 0, 1, 12)
const around = { watermark: { lag: seconds(10) }, onLate: 'dead-letter' } as const

/** `tenant level message`, the level counted by minute and tenant. */
const Line = z.string().transform((line) => {
  const [tenant = '', level = ''] = line.split(' ')
  return { tenant, level }
})

const lines = defineTopology('lines', (t) =>
  t
    .source('lines', {
      ...around,
      schema: text(Line),
      key: (l) => l.tenant,
      eventTimeMs: 'record',
    })
    .where((l) => l.level === 'error')
    .tumbling(minutes(1))
    .aggregate({}, (a) => ({ errors: a.count() }))
    .sink('errors'),
)

test('lines of text are events, also after a restart', async () => {
  const driver = await startDriver(lines)
  const at = (second: number) => ({ timestampMs: NOON_MS + second * 1_000 })
  await driver.pipeRecords([
    { value: 'a error disk', ...at(0) },
    { value: 'a info disk', ...at(1) },
    { value: Buffer.of(0xff), key: 'a', ...at(1) },
    { value: 'b error net', ...at(2) },
  ])
  await driver.crash()
  await driver.restart()
  await driver.pipeRecords({ value: 'a error disk', ...at(3) })
  await driver.closeWindows()
  expect(driver).toHaveDeadLetter('NOT_UTF8', { step: 'decode' })
  expect(driver).toHaveOutcomes({ windowed: 3, skipped: 1, dead: 1 })
  expect(driver.outputs('errors').map(({ key, value }) => [key, value.errors])).toEqual([
    ['a', 2],
    ['b', 1],
  ])
})

test('text without a schema is the event itself', async () => {
  const words = defineTopology('words', (t) =>
    t
      .source('words', {
        ...around,
        schema: text(),
        key: (word) => word,
        eventTimeMs: 'record',
        onTombstone: (key) => key,
      })
      .map((word) => ({ word, letters: word.length }))
      .sink('lengths'),
  )
  const driver = await startDriver(words)
  await driver.pipeRecords([{ value: 'Zürich' }, { value: null, key: 'gone' }])
  expect(driver.outputs('lengths').map(({ value }) => value)).toEqual([
    { word: 'Zürich', letters: 6 },
    { word: 'gone', letters: 4 },
  ])
})

const Count = z.object({ key: z.string(), count: z.int() })

function counts(decode: (record: RecordWithValue) => unknown) {
  return defineTopology('counts', (t) =>
    t
      .source('counts', {
        ...around,
        schema: Count,
        decode,
        key: (c) => c.key,
        eventTimeMs: 'record',
      })
      .sink('copies'),
  )
}

test('a function decodes any bytes, with all that the record has', async () => {
  const driver = await startDriver(
    counts((record) => {
      const isNegative = record.header('sign') === '-'
      const count = record.value.readInt32BE(0)
      return { key: String(record.key), count: isNegative ? -count : count }
    }),
  )
  const value = Buffer.of(0, 0, 1, 0)
  await driver.pipeRecords([
    { value, key: 'k' },
    { value, key: 'k', headers: { sign: '-' } },
  ])
  expect(driver.outputs('copies').map((output) => output.value)).toEqual([
    { key: 'k', count: 256 },
    { key: 'k', count: -256 },
  ])
})

test('what it cannot decode is set aside, and so is what the schema rejects', async () => {
  const driver = await startDriver(
    counts(({ value, key }) => {
      const count = value.readInt32BE(0)
      return count === 0
        ? Promise.reject(new Error('late'))
        : { key: String(key), count: count / 2 }
    }),
  )
  const value = (count: number) => ({ key: 'k', value: Buffer.of(0, 0, 0, count) })
  await driver.pipeRecords([value(2), value(3), value(0), { key: 'k', value: Buffer.of(1) }])
  expect(driver.deadLetters().map(({ code, message }) => [code, message])).toEqual([
    ['SCHEMA_INVALID', expect.any(String)],
    ['PAYLOAD_INVALID', 'decode returned a promise'],
    ['PAYLOAD_INVALID', 'decode threw RangeError'],
  ])
  expect(driver).toHaveOutcomes({ scored: 1, dead: 3 })
})

test('another function rebuilds the windows', () => {
  const [one, same, other] = [
    counts(({ value }) => value[0]),
    counts((record) => record.value[0]),
    counts(({ value }) => value[1]),
  ].map((topology) => fingerprintOf(topology))
  expect(new Set([one, other]).size).toBe(2)
  expect(same).not.toBe(other)
})

test('a function and a format of its own are too much for one source', () => {
  const both = () =>
    defineTopology('both', (t) =>
      t
        .source('s', {
          ...around,
          schema: text(),
          decode: ({ value }) => String(value),
          key: (e) => e,
          eventTimeMs: 'record',
        })
        .sink('o'),
    )
  expect(thrownIn(both).code).toBe('TOPOLOGY_INVALID')
})

const Payment = z.object({ cardId: z.string(), amount: z.number() })

const payments = defineTopology('cloud', (t) =>
  t
    .source('payments', {
      ...around,
      schema: cloudEvents(Payment),
      key: (e) => e.data.cardId,
      eventTimeMs: (e, record) => e.timeMs ?? record.timestampMs,
    })
    .map((e) => ({ id: e.id, amount: e.data.amount }))
    .sink('amounts'),
)

test('CloudEvents of both modes are events', async () => {
  const driver = await startDriver(payments)
  const data = { cardId: 'c-1', amount: 5 }
  const attributes = { specversion: '1.0', source: '/shop', type: 'paid' }
  const headers = { ce_specversion: '1.0', ce_source: '/shop', ce_type: 'paid' }
  await driver.pipeRecords([
    {
      value: { ...attributes, id: 'e-1', time: '2026-01-01T12:00:00Z', data },
      headers: { 'content-type': 'application/cloudevents+json' },
    },
    { value: data, headers: { ...headers, ce_id: 'e-2' }, timestampMs: NOON_MS + 1_000 },
    { value: data, key: 'c-1' },
  ])
  expect(driver.outputs('amounts').map(({ value }) => value)).toEqual([
    { id: 'e-1', amount: 5 },
    { id: 'e-2', amount: 5 },
  ])
  expect(driver).toHaveDeadLetter('PAYLOAD_INVALID', { key: 'c-1' })
  expect(driver.watermarkMs()).toBe(NOON_MS - 9_000)
})

test('another schema of the data rebuilds the windows', () => {
  const by = (schema: z.ZodType<{ amount: number }>) =>
    fingerprintOf(
      defineTopology('cloud', (t) =>
        t
          .source('payments', {
            ...around,
            schema: cloudEvents(schema),
            key: (e) => e.id,
            eventTimeMs: 'record',
          })
          .tumbling(minutes(1))
          .aggregate({ amount: (e) => e.data.amount }, (a) => ({ sum: a.sum('amount') }))
          .sink('sums'),
      ),
    )
  const schemas = [
    z.object({ amount: z.number() }),
    z.object({ amount: z.int() }),
    z.object({ amount: z.number().refine((n) => n > 0) }),
  ]
  expect(new Set(schemas.map(by)).size).toBe(3)
  expect(by(z.object({ amount: z.number() }))).toBe(by(schemas[0] as never))
})
