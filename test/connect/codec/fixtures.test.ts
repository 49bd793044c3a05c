import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { AbortedTransaction } from '../../../src/connect/kafka/codec/record-set.ts'
import { decode, type FetchedRecord, recordsOf } from './support.ts'

// See fixtures/README.md.

type Base64 = string | null
type Expected = [number, number, Base64, Base64, [string, Base64][]][]

interface Golden {
  readonly nextOffset: number
  readonly records: Expected
  readonly uncommitted?: Expected
}

const FOLDER = join(import.meta.dirname, 'fixtures')
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.log'))
  .map((file) => file.slice(0, -'.log'.length))

function logOf(name: string): Buffer {
  return readFileSync(join(FOLDER, `${name}.log`))
}

function goldenOf(name: string): Golden {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.golden.json`), 'utf8')) as Golden
}

function abortedIn(name: string): AbortedTransaction[] {
  const file = join(FOLDER, `${name}.txnindex`)
  if (!existsSync(file)) return []
  const index = readFileSync(file)
  return Array.from({ length: index.length / 34 }, (_, i) => ({
    producerId: Number(index.readBigInt64BE(34 * i + 2)),
    firstOffset: Number(index.readBigInt64BE(34 * i + 10)),
  }))
}

function inGolden(records: readonly FetchedRecord[]): Expected {
  return records.map(({ offset, timestampMs, key, value, headers }) => [
    offset,
    timestampMs,
    base64(key),
    base64(value),
    headers.map((header) => [Buffer.from(header.name).toString('base64'), base64(header.value)]),
  ])
}

function base64(bytes: Buffer | null): Base64 {
  return bytes?.toString('base64') ?? null
}

describe('a log that others have written', () => {
  test.each(NAMES)("%s is read as Java's consumer reads it", (name) => {
    const { records, nextOffset } = goldenOf(name)
    const aborted = abortedIn(name)
    expect(inGolden(recordsOf(logOf(name), { aborted }))).toEqual(records)
    expect(decode(logOf(name), { aborted }).nextOffset).toBe(nextOffset)
  })

  test.each(NAMES)('%s is read on from any offset', (name) => {
    const { records, nextOffset } = goldenOf(name)
    for (let fromOffset = 0; fromOffset < nextOffset; fromOffset++) {
      const read = inGolden(recordsOf(logOf(name), { aborted: abortedIn(name), fromOffset }))
      expect(read).toEqual(records.filter(([offset]) => offset >= fromOffset))
    }
  })

  test('a reader that takes uncommitted records gets those of aborted transactions, but no markers', () => {
    const { uncommitted } = goldenOf('transactions')
    expect(uncommitted?.length).toBe(11)
    expect(inGolden(recordsOf(logOf('transactions')))).toEqual(uncommitted)
  })

  test('of a batch that compaction emptied, only the position moves on', () => {
    const log = logOf('compacted')
    const emptied = { at: 80, bytes: 61 }
    const read = decode(log.subarray(emptied.at, emptied.at + emptied.bytes), { fromOffset: 3 })
    expect(read.length).toBe(0)
    expect(read.nextOffset).toBe(6)
  })

  test('a set of markers only moves the position', () => {
    const read = decode(logOf('transactions').subarray(-2 * 78), { fromOffset: 15 })
    expect(read.length).toBe(0)
    expect(read.nextOffset).toBe(17)
  })
})
