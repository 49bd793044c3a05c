import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { formatDuration } from '../../src/kernel/time.ts'
import { ObservedWorker } from '../../src/observe/observed-worker.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { HandClock } from '../support/clocks.ts'
import { partition, samples } from './events.ts'
import { logged } from './observed.ts'

const other = { ...partition, partition: 4 }
const ISO = '2024-11-15T19:46:40.500Z'
const { assigned, consumed, processed, committed, lost } = samples
const letter = samples['dead-letter']

/** The status of a worker that was told this after a second, by the time at which it is taken. */
function after(...events: RuntimeEvent[]) {
  const clock = new HandClock(1_000)
  const worker = new ObservedWorker(clock, [])
  for (const event of events) worker.observer(event)
  const take = (atMs: number) => {
    clock.advance(atMs - clock.nowMs())
    return worker.takeStatus()
  }
  return { take }
}

describe('how a worker gets on', () => {
  test('is its rates, lag, watermark, delay and dead letters', () => {
    const board = after(assigned, consumed, processed, letter, letter, committed)
    expect(board.take(10_000)).toEqual([
      {
        partitions: 1,
        inPerSecond: 1,
        // 5 outputs in 10 s; the dead letters of the same commit are counted apart.
        outPerSecond: 0.5,
        lag: 40,
        watermark: new Date(processed.watermarkMs).toISOString(),
        delay: '2 s',
        deadLetters: 2,
      },
    ])
  })

  test('counts substitutes for rows of stores, where there are stores', () => {
    const board = after(assigned, samples['store-read'], samples['store-read'])
    expect(board.take(11_000)).toMatchObject([{ deadLetters: 0, degraded: 2 }])
    expect(board.take(21_000)).toMatchObject([{ degraded: 0 }])
    expect(after(assigned).take(11_000)[0]).not.toHaveProperty('degraded')
  })

  test('is counted again each time; how far it is stays', () => {
    const board = after(assigned, consumed, processed, letter, committed)
    board.take(11_000)
    expect(board.take(71_000)).toMatchObject([
      { inPerSecond: 0, outPerSecond: 0, lag: 40, delay: null, deadLetters: 0 },
    ])
  })

  test('tells the longest delay of however many chunks a commit holds', () => {
    const endToEndMs = Array.from({ length: 200_000 }, (_, i) => i % 60_000)
    const outputs = [
      { topic: 'predictions', isOutput: true, records: 200_000, bytes: 1, endToEndMs },
    ]
    const board = after(assigned, { ...committed, outputs })
    expect(board.take(2_000)[0]?.['delay']).toBe(formatDuration(59_999))
  })

  test('has the lowest watermark, and the lag of all partitions', () => {
    const board = after(
      assigned,
      { ...assigned, partition: other },
      consumed,
      { ...consumed, partition: other, endOffset: 101 },
      processed,
      { ...processed, partition: other, watermarkMs: Date.parse(ISO), nextOffset: 100 },
    )
    const lowest = new Date(Math.min(processed.watermarkMs, Date.parse(ISO))).toISOString()
    expect(board.take(2_000)).toMatchObject([{ partitions: 2, lag: 41, watermark: lowest }])
  })

  test('lags by nothing where a new leader tells an end before what has been read', () => {
    const behind = { ...consumed, endOffset: 90 }
    const board = after(
      assigned,
      behind,
      { ...assigned, partition: other },
      { ...consumed, partition: other },
    )
    expect(board.take(2_000)).toMatchObject([{ partitions: 2, lag: 50 }])
  })

  test.each<[string, RuntimeEvent[]]>([
    [
      'before the end of each partition was told',
      [assigned, consumed, { ...assigned, partition: other }],
    ],
    ['while a partition cannot be read', [assigned, consumed, samples.trouble]],
  ])('does not know its lag %s', (_, events) => {
    expect(after(...events).take(2_000)).toMatchObject([{ lag: null }])
  })

  test('does not know its lag before it has joined the group', () => {
    expect(after({ type: 'state', state: 'unavailable' }).take(2_000)).toMatchObject([
      { lag: null },
    ])
  })

  test('knows its lag again once the partition is read', () => {
    const board = after(assigned, consumed, samples.trouble, {
      ...consumed,
      records: 0,
      endOffset: 100,
    })
    expect(board.take(2_000)).toMatchObject([{ lag: 0 }])
  })

  test('forgets a partition that has gone', () => {
    const running = { type: 'state', state: 'running' } as const
    const board = after(running, assigned, consumed, processed, lost)
    expect(board.take(2_000)).toMatchObject([{ partitions: 0, lag: 0, watermark: null }])
  })

  test('is told of each topology where there are several', () => {
    const second = { topology: 'minutes' } as const
    const board = after(
      assigned,
      consumed,
      { ...assigned, ...second },
      { ...consumed, ...second },
      {
        ...letter,
        ...second,
      },
    )
    expect(board.take(10_000)).toMatchObject([
      { partitions: 1, inPerSecond: 2, deadLetters: 1 },
      { topology: 'card-fraud', partitions: 1, inPerSecond: 1, deadLetters: 0 },
      { topology: 'minutes', partitions: 1, inPerSecond: 1, deadLetters: 1 },
    ])
  })
})

test('the log says once that a worker has caught up: with what was there when each partition was read first', () => {
  const { observe, told } = logged()
  const tell = (...events: RuntimeEvent[]) => {
    for (const event of events) observe(event)
    return told().filter(({ msg }) => String(msg).startsWith('caught up')).length
  }
  const second = { partition: other, nextOffset: 100 } as const
  expect(tell(assigned, { ...assigned, ...second }, consumed)).toBe(0)
  // The first one goes on to 150, its end; meanwhile 50 more have come.
  expect(tell({ ...consumed, endOffset: 200 }, { ...processed, nextOffset: 150 })).toBe(0)
  // Offset 100 of the second one is the end of a transaction, which is no record.
  const none = { scored: 0, windowed: 0, skipped: 0, duplicate: 0, late: 0, dead: 0 }
  expect(tell({ ...consumed, ...second, records: 2, endOffset: 101 })).toBe(0)
  expect(tell({ ...consumed, ...second, records: 0, endOffset: 101 })).toBe(0)
  const outcomes = { ...none, scored: 1, dead: 1 }
  expect(tell({ ...processed, ...second, nextOffset: 100, outcomes })).toBe(1)
  expect(tell({ ...processed, nextOffset: 200 }, lost, assigned, consumed, processed)).toBe(1)
})

test('the log says by the clock how a worker gets on, first after 10 s, from its start to its end', async () => {
  const { lines, clock, observe } = logged('text', 60_000)
  const pass = async (ms: number) => {
    clock.advance(ms)
    await nextTurn()
  }
  observe({ type: 'state', state: 'starting' })
  await pass(9_999)
  expect(lines).toHaveLength(1)
  await pass(1)
  await pass(59_999)
  expect(lines).toHaveLength(2)
  await pass(1)
  observe({ type: 'state', state: 'stopped' })
  await pass(60_000)
  const status =
    'info  status  partitions=0  inPerSecond=0  outPerSecond=0  lag=unknown  watermark=unknown  delay=unknown  deadLetters=0\n'
  expect(lines.map((line) => line.slice(9))).toEqual([
    expect.stringContaining('worker is starting'),
    status,
    status,
    expect.stringContaining('worker is stopped'),
  ])
})
