import { expect, test } from 'vitest'
import type { NewRecords } from '../../../../src/connect/port.ts'
import { WrittenRecords } from '../../../../src/connect/written-records.ts'
import { TidemarkError } from '../../../../src/kernel/errors.ts'
import { BestEffortWriter } from '../../../../src/runtime/output/shadow/best-effort-writer.ts'
import { HandClock } from '../../../support/clocks.ts'

/** A writer over a link whose every send the test ends. */
function handWriter() {
  const clock = new HandClock(0)
  const sends: { values: string[]; end: (error?: Error) => void }[] = []
  const counts = { written: 0, dropped: 0 }
  const told: (string | null)[] = []
  let closed = 0
  const writer = new BestEffortWriter({
    open: () => ({
      write: (records: NewRecords) => {
        const values = [...records].map(({ value }) => String(value))
        return new Promise<void>((resolve, reject) => {
          sends.push({ values, end: (error) => (error ? reject(error) : resolve()) })
        })
      },
      close: async () => {
        closed++
      },
    }),
    clock,
    labels: { topology: 't', step: 's', model: 'm' },
    observer: (event) => {
      if (event.type === 'trouble' && event.kind === 'shadow') told.push(event.reason)
      if (event.type !== 'shadow-outputs') return
      counts.written += event.written
      counts.dropped += event.dropped
    },
    changed: () => {},
  })
  /** Ends the last send, and lets what follows from it happen. */
  const end = async (error?: Error) => {
    sends.at(-1)?.end(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { writer, clock, sends, counts, told, end, closed: () => closed }
}

function recordsOf(...values: string[]): WrittenRecords {
  const records = new WrittenRecords(values.length)
  for (const value of values) {
    const record = { key: null, value: Buffer.from(value), timestampMs: 1, headers: [] }
    records.write(record, 'shadow-scores')
  }
  return records
}

const many = (count: number) => recordsOf(...Array.from({ length: count }, () => 'x'))
const gone = new TidemarkError('BROKER_UNAVAILABLE', 'no broker answers')

test('what comes while a send is on its way is sent together after it', async () => {
  const { writer, sends, counts, end } = handWriter()
  writer.offer(recordsOf('a'))
  writer.offer(recordsOf('b', 'c'))
  writer.offer(recordsOf('d'))
  expect(sends.map(({ values }) => values)).toEqual([['a']])
  await end()
  expect(sends.map(({ values }) => values)).toEqual([['a'], ['b', 'c', 'd']])
  expect(writer.isIdle).toBe(false)
  await end()
  expect(writer.isIdle).toBe(true)
  expect(counts).toEqual({ written: 4, dropped: 0 })
})

test('what there is no room for is dropped and counted', async () => {
  const { writer, counts, end } = handWriter()
  writer.offer(many(16_000))
  writer.offer(many(384))
  writer.offer(recordsOf('too many'))
  expect(counts).toEqual({ written: 0, dropped: 1 })
  await end()
  await end()
  writer.offer(recordsOf('a'))
  await end()
  expect(counts).toEqual({ written: 16_385, dropped: 1 })
})

test('after a failure nothing is sent for five seconds', async () => {
  const { writer, clock, sends, counts, told, end } = handWriter()
  writer.offer(recordsOf('a'))
  writer.offer(recordsOf('b'))
  await end(gone)
  expect(counts).toEqual({ written: 0, dropped: 2 })
  clock.advance(4_999)
  writer.offer(recordsOf('c'))
  expect(sends).toHaveLength(1)
  clock.advance(1)
  writer.offer(recordsOf('d'))
  await end()
  expect(sends.map(({ values }) => values)).toEqual([['a'], ['d']])
  expect(counts).toEqual({ written: 1, dropped: 3 })
  expect(told).toEqual(['no broker answers', null])
})

test('failures are told once a minute', async () => {
  const { writer, clock, told, end } = handWriter()
  for (let second = 0; second < 180; second += 5) {
    writer.offer(recordsOf('a'))
    await end(gone)
    clock.advance(5_000)
  }
  expect(told).toEqual(['no broker answers', 'no broker answers', 'no broker answers'])
})

test('closing drops what waits, and nothing is taken any more', async () => {
  const { writer, counts, told, end, closed } = handWriter()
  writer.offer(recordsOf('a'))
  writer.offer(recordsOf('b'))
  await writer.close()
  writer.offer(recordsOf('c'))
  expect(counts).toEqual({ written: 0, dropped: 2 })
  await end(gone)
  expect(counts).toEqual({ written: 0, dropped: 3 })
  expect(told).toEqual([])
  expect([writer.isIdle, closed()]).toEqual([true, 1])
})
