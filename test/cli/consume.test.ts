import { expect, onTestFinished, test, vi } from 'vitest'
import { formatRecord, parsePoint } from '../../src/cli/consume.ts'
import { ListedRecords } from '../../src/connect/log-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'

const record: LogRecord = {
  offset: 7,
  timestampMs: 1_700_000_000_000,
  key: Buffer.from('k'),
  value: Buffer.from([0xff, 0x00]),
  headers: [{ name: 'h', value: Buffer.from('x') }],
}
const records = new ListedRecords([record])
const chunk = { topic: 't', partition: 3, epoch: 1, records, nextOffset: 8, endOffset: 8 }
const line = (format: string, of: LogRecord = record) => formatRecord(chunk, of, format)

test('value writes the bytes as they are', () => {
  expect(line('value')).toEqual(Buffer.from([0xff, 0x00, 0x0a]))
})

test('json writes the whole record; bytes that are no text as base64', () => {
  expect(JSON.parse(line('json').toString())).toEqual({
    topic: 't',
    partition: 3,
    offset: 7,
    timestamp: 1_700_000_000_000,
    key: 'k',
    value: { base64: '/wA=' },
    headers: [['h', 'x']],
  })
  const tombstone = { ...record, key: null, value: null }
  expect(JSON.parse(line('json', tombstone).toString())).toMatchObject({ key: null, value: null })
})

test('a pattern is filled in once, so that what a record holds is never taken for a pattern', () => {
  const tricky = { ...record, key: Buffer.from('%v'), value: Buffer.from('$&') }
  expect(line('%t-%p@%o %T %k=%v 100%% %x', tricky).toString()).toBe(
    't-3@7 1700000000000 %v=$& 100% %x\n',
  )
})

test('a pattern has headers as name=value, and tabs and new lines as they are written in C', () => {
  const headers = ['a', 'b'].map((name) => ({ name, value: Buffer.from(`${name}\\t`) }))
  expect(line('%h\\t%k\\n\\\\n \\x', { ...record, headers }).toString()).toBe(
    'a=a\\t,b=b\\t\tk\n\\n \\x\n',
  )
  expect(line('[%h]', { ...record, headers: [] }).toString()).toBe('[]\n')
})

test.each([
  ['earliest', 'earliest'],
  ['latest', 'latest'],
  ['0', { offset: 0 }],
  ['123', { offset: 123 }],
  ['@1767225600099', { timeMs: 1_767_225_600_099 }],
  ['2026-01-01T00:00:00.099Z', { timeMs: 1_767_225_600_099 }],
  ['2026-01-01T01:00+01:00', { timeMs: 1_767_225_600_000 }],
  ['2026-01-01', { timeMs: 1_767_225_600_000 }],
  ['-6h30m', { timeMs: 1_767_225_600_000 - 23_400_000 }],
  ['-99999d', { timeMs: 0 }],
])('--from %s', (text, start) => {
  vi.spyOn(Date, 'now').mockReturnValue(1_767_225_600_000)
  onTestFinished(() => void vi.restoreAllMocks())
  expect(parsePoint(text)).toEqual(start)
})

test.each([
  '',
  'first',
  '-1',
  '-6x',
  '1.5',
  '9007199254740993',
  '@',
  '@1s',
  '@8640000000000001',
  '1969-12-31',
  '2026-01-01T00:00',
  '2026-13-01T00:00Z',
])('not --from "%s"', (text) => {
  expect(() => parsePoint(text)).toThrow('earliest, latest, an offset, a time')
})
