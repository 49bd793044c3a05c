import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { LogRecord, TopicInfo } from '../../../src/connect/port.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { deadLetter } from '../../../src/runtime/output/dead-letter.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import { writtenBytes } from '../../support/batches.ts'
import { headerOf } from '../../support/headers.ts'
import { topic } from '../hand-records.ts'

const place = {
  source: { topic: 'events', partition: 3 },
  topology: 'scored',
  topic: 'events.dlq',
  present: { earliestMs: 10_000_000, latestMs: 10_000_000 },
}
/** Limits of the dead-letter topic where a test gives no others. */
const TAKES: Partial<TopicInfo> = { maxMessageBytes: 10_000, timestampAfterMaxMs: null }
const error = new TidemarkError('JSON_INVALID', 'the value is not JSON')
const source: LogRecord = {
  offset: 41,
  timestampMs: 1_000,
  key: Buffer.from([0xff, 0x00, 0x80]),
  value: Buffer.from([0x7b, 0xc3, 0x28, 0x00]),
  headers: [
    { name: 'trace', value: Buffer.from([0x00, 0xff]) },
    { name: 'trace', value: Buffer.from('second') },
    { name: 'tidemark-id', value: Buffer.from('other/0/1/out') },
  ],
}

function setAside(record: Partial<LogRecord>, takes: Partial<TopicInfo> = {}, why = error) {
  return deadLetter(
    { record: { ...source, ...record }, window: null, step: 'decode', error: why },
    { ...place, limits: limitsOf(topic('events.dlq', { ...TAKES, ...takes })) },
  )
}

function textsOf(record: ReturnType<typeof setAside>): Record<string, string> {
  return Object.fromEntries(record.headers.map((h) => [h.name, h.value.toString()]))
}

test('a dead letter keeps key, value, timestamp and headers byte for byte, repeated ones too', () => {
  const letter = setAside({})
  expect([letter.key, letter.value, letter.timestampMs]).toEqual([source.key, source.value, 1_000])
  expect(letter.headers.slice(0, 3)).toEqual(source.headers)
})

test('it says why, where and by whom', () => {
  expect(textsOf(setAside({ headers: [] }))).toEqual({
    '__streams.errors.exception': 'TidemarkError',
    '__streams.errors.message': 'JSON_INVALID: the value is not JSON',
    '__streams.errors.topic': 'events',
    '__streams.errors.partition': '3',
    '__streams.errors.offset': '41',
    'tidemark.code': 'JSON_INVALID',
    'tidemark.stage': 'decode',
    'tidemark.topology': 'scored',
    'tidemark.message': 'the value is not JSON',
  })
})

test('incoming headers of reserved names are not kept, and choose no topic', () => {
  const forged = ['__streams.errors.topic', '__streams.errors.x', 'tidemark.code', 'tidemark.x']
  const headers = forged.map((name) => ({ name, value: Buffer.from('forged') }))
  const letter = setAside({ headers })
  expect(letter.headers.map((h) => h.value.toString())).not.toContain('forged')
  expect([letter.topic, letter.partition]).toEqual(['events.dlq', 3])
})

describe('one that is over the limit of its topic', () => {
  const value = Buffer.alloc(20_000, 'v')

  test('goes without its value: with size and sha256, key and headers kept', () => {
    const letter = setAside({ value })
    expect([letter.value, letter.key]).toEqual([null, source.key])
    expect(letter.headers.slice(0, 3)).toEqual(source.headers)
    expect(textsOf(letter)).toMatchObject({
      'tidemark.value.omitted': 'true',
      'tidemark.value.size': '20000',
      'tidemark.value.sha256': createHash('sha256').update(value).digest('hex'),
    })
  })

  test('keeps its value while it fits to the byte', () => {
    // The broker measures the batch that is sent.
    const bytes = writtenBytes(setAside({ value }, { maxMessageBytes: 1e6 }))
    expect(setAside({ value }, { maxMessageBytes: bytes }).value).toEqual(value)
    expect(setAside({ value }, { maxMessageBytes: bytes - 1 }).value).toBeNull()
  })

  test('goes without foreign headers and key where these alone are too much', () => {
    const headers = [{ name: 'big', value: Buffer.alloc(20_000) }]
    const withKey = setAside({ headers, value: null })
    expect(withKey.key).toEqual(source.key)
    expect(textsOf(withKey)).toMatchObject({ 'tidemark.headers.omitted': '1' })
    expect(withKey.headers.map((h) => h.name)).not.toContain('big')

    const letter = setAside({ headers, value, key: Buffer.alloc(20_000) })
    expect([letter.value, letter.key]).toEqual([null, null])
    expect(textsOf(letter)).toMatchObject({
      'tidemark.code': 'JSON_INVALID',
      'tidemark.value.size': '20000',
      'tidemark.key.omitted': 'true',
    })
  })

  test('fits into the smallest topic that start lets pass, whatever the message is', () => {
    const takes = { maxMessageBytes: 4_096 }
    const why = new TidemarkError('FUNCTION_THREW', '語'.repeat(5_000))
    const huge = {
      headers: [{ name: 'big', value: Buffer.alloc(5_000) }],
      key: Buffer.alloc(5_000),
    }
    const letter = setAside({ ...huge, value }, takes, why)
    expect(writtenBytes(letter)).toBeLessThan(4_096)
    expect(headerOf(letter, 'tidemark.message')).toBe(`${'語'.repeat(299)}…`)
  })
})

describe('a timestamp that its topic does not take', () => {
  const HOUR_MS = 3_600_000

  test.each([
    ['too far behind', { timestampBeforeMaxMs: HOUR_MS }, place.present.earliestMs - HOUR_MS - 1],
    ['too far ahead', { timestampAfterMaxMs: HOUR_MS }, place.present.earliestMs + HOUR_MS + 1],
    ['no time at all', {}, 2 ** 63],
  ])('%s: it has the present one, and a header says which it had', (_, takes, timestampMs) => {
    const letter = setAside({ timestampMs }, takes)
    expect(letter.timestampMs).toBe(place.present.earliestMs)
    expect(headerOf(letter, 'tidemark.timestamp')).toBe(String(timestampMs))
    expect(letter.value).toEqual(source.value)
  })

  test('cannot be forged by an incoming header', () => {
    const forged = [{ name: 'tidemark.timestamp', value: Buffer.from('1') }]
    expect(headerOf(setAside({ headers: forged }), 'tidemark.timestamp')).toBeUndefined()
  })
})
