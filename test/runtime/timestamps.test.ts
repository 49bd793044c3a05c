import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { markOf } from '../../src/runtime/commit/checkpoint-metadata.ts'
import { addOutcomes, NO_OUTCOMES } from '../../src/runtime/output/outcomes.ts'
import { headerOf } from '../support/headers.ts'
import { runs } from '../support/runs.ts'
import { GROUP, run, sums, topics } from './memory-workers.ts'
import { START_MS } from './support.ts'

// A record has the timestamp that its producer gave it: any number of 64 bits, rounded beyond 2^53.

/** Go's zero time. */
const GO_ZERO_MS = -62_135_596_800_000
const ODD = [-1, -2, 0, GO_ZERO_MS, -(2 ** 32), -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 63), 2 ** 63]

const anyTimestamp = fc.oneof(
  fc.constantFrom(...ODD),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(Number),
  fc.integer({ min: -100_000, max: 100_000 }).map((ms) => START_MS + ms),
)

function produce(records: MemoryRecords, timestampsMs: readonly number[]): void {
  records.produce(
    timestampsMs.map((timestampMs, i) => ({
      topic: 'events',
      partition: 0,
      key: Buffer.from('k'),
      value: Buffer.from(JSON.stringify({ key: 'k', at: START_MS + i, amount: 1 })),
      timestampMs,
      headers: [],
    })),
  )
}

function recordAt(timestampMs: number): LogRecord {
  return { offset: 7, timestampMs, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] }
}

describe('the mark of a record', () => {
  test('can be had of any timestamp, and tells two apart', () => {
    fc.assert(
      fc.property(anyTimestamp, (timestampMs) => {
        const { checksum } = markOf(recordAt(timestampMs))
        expect(Number.isInteger(checksum) && checksum >= 0 && checksum < 2 ** 32).toBe(true)
        expect(markOf(recordAt((timestampMs % 2 ** 32) + 1)).checksum).not.toBe(checksum)
      }),
    )
  })

  test('is what earlier versions have committed, where they could', () => {
    expect(markOf(recordAt(1_767_225_600_123))).toEqual({ offset: 7, checksum: 1_785_760_167 })
  })
})

describe('a worker', () => {
  test('goes on, and begins again, whatever timestamp the last record of a chunk has', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTimestamp, { minLength: 1, maxLength: 12 }),
        fc.array(anyTimestamp, { minLength: 1, maxLength: 4 }),
        async (first, second) => {
          const records = topics(new MemoryRecords({ chunkRecords: 3 }))
          const outcomes = []
          for (const sent of [first, second]) {
            produce(records, sent)
            const { watch } = await run(records, [sums('a')])
            expect(watch.states.at(-1)).toBe('stopped')
            outcomes.push(...watch.of('processed').map((e) => e.outcomes))
          }
          const { windowed, dead } = outcomes.reduce(addOutcomes, NO_OUTCOMES)
          expect(windowed + dead).toBe(first.length + second.length)
          const committed = records.committed(GROUP, { topic: 'events', partition: 0 })
          expect(committed?.nextOffset).toBe(first.length + second.length)
        },
      ),
      { numRuns: runs(60) },
    )
  })

  test('takes an event whose record has no timestamp by its own time; others are judged by what they have', async () => {
    const records = topics()
    produce(records, [-1, GO_ZERO_MS, START_MS + 2])
    const { watch } = await run(records, [sums('a')])
    const { windowed, dead } = watch
      .of('processed')
      .map((e) => e.outcomes)
      .reduce(addOutcomes, NO_OUTCOMES)
    expect([windowed, dead]).toEqual([2, 1])
    const [letter] = records.read('events.dlq')
    expect(headerOf(letter as LogRecord, '__streams.errors.offset')).toBe('1')
    expect(headerOf(letter as LogRecord, 'tidemark.code')).toBe('FUTURE')
    expect(headerOf(letter as LogRecord, 'tidemark.timestamp')).toBe(String(GO_ZERO_MS))
  })

  test('tells no delay from a record to its output where the record has no time', async () => {
    const records = topics()
    produce(records, [-1, -(2 ** 63), 0])
    const { watch } = await run(records, [sums('a')])
    const delays = watch
      .of('committed')
      .flatMap(({ outputs }) => outputs)
      .flatMap((output) => output.endToEndMs)
    expect(delays.every((ms) => ms >= 0 && ms <= Date.now())).toBe(true)
  })
})
