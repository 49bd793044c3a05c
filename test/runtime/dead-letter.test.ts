import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import type { LogRecord } from '../../src/records/port.ts'
import { bytesOf, deadLetter } from '../../src/runtime/dead-letter.ts'

const place = {
  source: { topic: 'events', partition: 3 },
  topology: 'scored',
  topic: 'events.dlq',
  maxBytes: 10_000,
}
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

function setAside(record: Partial<LogRecord>, maxBytes = place.maxBytes) {
  return deadLetter(
    { record: { ...source, ...record }, window: null, step: 'decode', error },
    { ...place, maxBytes },
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
    'tidemark.attempt': '1',
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
    const bytes = bytesOf(setAside({ value }, Number.POSITIVE_INFINITY))
    expect(setAside({ value }, bytes).value).toEqual(value)
    expect(setAside({ value }, bytes - 1).value).toBeNull()
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
    expect(bytesOf(letter)).toBeLessThan(4_096)
  })
})
