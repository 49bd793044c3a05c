import { expect, test } from 'vitest'
import { ObservedWorker } from '../../src/observe/observed-worker.ts'
import { MOST_LISTED, statusOf } from '../../src/observe/status.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { HandClock } from '../support/clocks.ts'
import { cpuMsOf } from '../support/cpu.ts'
import { partition, samples, watched } from './events.ts'

const START_MS = Date.UTC(2026, 0, 1)
const { assigned, consumed, processed, committed } = samples

function observed(...events: readonly RuntimeEvent[]) {
  const clock = new HandClock(START_MS)
  const worker = new ObservedWorker(clock, [watched])
  const observe = (...all: readonly RuntimeEvent[]) => all.forEach(worker.observer)
  observe(...events)
  return { clock, observe, status: () => statusOf(worker, [watched]) }
}

test('the status has partitions, rates, models, dead letters, the last rebalance and commit', () => {
  const watermarkMs = START_MS - 90_000
  const { status } = observed(
    ...[samples.state, samples.rebalance, assigned, consumed, { ...processed, watermarkMs }],
    ...[committed, samples['dead-letter'], samples['dead-letter']],
  )
  expect(status()).toMatchObject({
    ...{ state: 'running', since: '2026-01-01T00:00:00.000Z', outPerSecond: 5 },
    troubles: { count: 0, worst: [] },
    partitions: {
      count: 1,
      worst: [
        {
          ...{ topology: 'card-fraud', partition: 'payments-3', committed: 110, end: 150 },
          ...{ lag: 40, watermark: '2025-12-31T23:58:30.000Z', eventTimeLagS: 90, isIdle: false },
        },
      ],
    },
    topologies: [
      {
        ...{ topology: 'card-fraud', source: 'payments', models: ['card-gbdt@1'] },
        ...{ inPerSecond: 10, deadLetters: { JSON_INVALID: 2 } },
      },
    ],
    lastRebalance: { at: '2026-01-01T00:00:00.000Z', why: 'members' },
    lastCommit: '2026-01-01T00:00:00.000Z',
  })
  expect(status().stages.map(({ stage }) => stage)).toContain('commit')
})

test('a reason is the sentence of the table, never the text of an exception', () => {
  const { status, clock } = observed(assigned, {
    ...{ type: 'trouble', kind: 'model', topology: 'card-fraud', step: 'score', partition },
    reason: 'redis://user:secret@host: 4929-secret-key',
  })
  clock.advance(60_000)
  expect(status().troubles.worst).toEqual([
    {
      ...{ kind: 'model', topology: 'card-fraud', step: 'score', partition: 'payments-3' },
      ...{ effect: 'waits', code: 'MODEL_FAILING', since: '2026-01-01T00:00:00.000Z' },
      ...{ reason: 'the model can score no event: they wait', endsWithinS: 30 },
      section: 'runbook.md#model',
    },
  ])
  expect(JSON.stringify(status())).not.toContain('secret')
})

test('of 10,000 partitions the 50 with the longest lag are listed', () => {
  const place = (n: number) => ({ topic: 'payments', partition: n })
  const { status } = observed(
    ...Array.from({ length: 10_000 }, (_, n) => [
      { ...assigned, partition: place(n), nextOffset: 0 },
      { ...consumed, partition: place(n), endOffset: n },
    ]).flat(),
  )
  const { count, worst } = status().partitions
  expect([count, worst.length, worst[0]?.lag, worst.at(-1)?.lag]).toEqual([
    ...[10_000, MOST_LISTED, 9_999, 9_950],
  ])
})

test('a partition is idle once it was read to its end and nothing has come for as long as its source says', () => {
  const atEnd = { ...consumed, records: 0, bytes: 0, endOffset: 110 } as const
  const { status, clock, observe } = observed(assigned, consumed)
  const isIdle = () => status().partitions.worst[0]?.isIdle
  clock.advance(60_000)
  expect(isIdle()).toBe(false)
  observe({ ...processed, outcomes: { ...processed.outcomes, scored: 2, dead: 1 } }, atEnd)
  expect(isIdle()).toBe(true)
  observe(samples.trouble)
  expect(isIdle()).toBe(false)
  observe(atEnd)
  expect(isIdle()).toBe(true)
  observe(consumed)
  expect(isIdle()).toBe(false)
})

test('the status of 50 partitions takes less than 5 ms of CPU', () => {
  const place = (n: number) => ({ topic: 'payments', partition: n })
  const { status } = observed(
    ...Array.from({ length: 50 }, (_, n) => [
      { ...assigned, partition: place(n) },
      { ...consumed, partition: place(n) },
      { ...processed, partition: place(n) },
    ]).flat(),
    committed,
  )
  const text = () => JSON.stringify(status())
  expect(text().length).toBeGreaterThan(5_000)
  const times = 1_000
  const ms = cpuMsOf(() => {
    for (let n = 0; n < times; n++) text()
  })
  expect(ms / times).toBeLessThan(5)
})
