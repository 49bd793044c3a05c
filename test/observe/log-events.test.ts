import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eventKey, eventTimeMs } from '../../src/formats/identity.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { jsonEvent, source } from '../formats/json/source.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownIn } from '../support/thrown.ts'
import { samples, watched } from './events.ts'
import { logged, observedLog } from './observed.ts'

const dead = samples['dead-letter']
const SHADOW = { topology: 'card-fraud', step: 'score', model: 'card-mlp' }

describe('a worker is told by', () => {
  test.each([
    [samples.note, { level: 'warn', msg: 'payments does not bound its timestamps' }],
    [samples.state, { level: 'info', msg: 'worker is running', state: 'running' }],
    [
      { type: 'state', state: 'unavailable', reason: 'no broker answered' },
      { level: 'warn', msg: 'worker is unavailable', reason: 'no broker answered' },
    ],
    [
      { type: 'state', state: 'failed' },
      { level: 'error', msg: 'worker is failed' },
    ],
    [
      samples['commit-failed'],
      { level: 'warn', code: 'COMMIT_FAILED', reason: 'no broker answered', nextAttemptMs: 500 },
    ],
    [
      dead,
      {
        level: 'warn',
        msg: 'dead letter',
        code: 'JSON_INVALID',
        reason: 'the value is not JSON',
        at: 'payments-3@104',
        topic: 'payments.dlq',
      },
    ],
    [
      { type: 'trouble', kind: 'shadow-off', ...SHADOW, reason: 'the scoring thread has ended' },
      {
        ...{ level: 'warn', msg: 'a shadow is off until the worker starts again' },
        ...{ step: 'score', model: 'card-mlp', reason: 'the scoring thread has ended' },
      },
    ],
    [
      { type: 'trouble', kind: 'shadow', ...SHADOW, reason: 'no broker answers' },
      {
        ...{ level: 'warn', msg: 'scores of a shadow are not written: they are dropped' },
        ...{ model: 'card-mlp', reason: 'no broker answers' },
      },
    ],
    [
      { type: 'trouble', kind: 'shadow', ...SHADOW, reason: null },
      { level: 'info', msg: 'scores of a shadow are written again', model: 'card-mlp' },
    ],
  ] as [RuntimeEvent, Record<string, unknown>][])('%o', (event, line) => {
    const { observe, told } = logged()
    observe(event)
    expect(told()).toEqual([expect.objectContaining(line)])
  })

  test('nothing for what happens with every chunk', () => {
    const { observe, lines } = logged()
    const { consumed, processed, fetched, inference, late, committed } = samples
    const shadow = [samples['shadow-rows'], samples['shadow-parity'], samples['shadow-outputs']]
    const events = [consumed, processed, fetched, inference, late, committed, ...shadow]
    for (const event of events) observe(event)
    expect(lines).toEqual([])
  })
})

test('waits for a quota are told as a sum, once it is a second and 5 s after the last', () => {
  const { observe, told, clock } = logged()
  const wait = (durationMs: number) => observe({ type: 'throttled', of: 'writing', durationMs })
  for (let i = 0; i < 9; i++) wait(100)
  expect(told()).toEqual([])
  for (let i = 0; i < 20; i++) wait(100)
  clock.advance(5_000)
  wait(500)
  expect(told().map(({ msg }) => msg)).toEqual([
    'throttled by the broker 1 s',
    'throttled by the broker 2.4 s',
  ])
})

describe('dead letters of one code past the first ten in a minute', () => {
  const more = (count: number, code: string) =>
    expect.objectContaining({ msg: 'more dead letters within a minute', count, code })

  test('are told as a count at the end of the minute, though nothing else happens', async () => {
    const { observe, told, clock } = logged()
    observe({ type: 'state', state: 'starting' })
    for (let i = 0; i < 25; i++) observe(dead)
    observe({ ...dead, code: 'NULL_KEY' })
    clock.advance(59_999)
    await nextTurn()
    expect(told()).toHaveLength(12)
    clock.advance(1)
    await nextTurn()
    expect(told().slice(12)).toEqual([more(15, 'JSON_INVALID')])
    observe(dead)
    expect(told()).toHaveLength(14)
  })

  test('are told as a count when the worker stops, and no more after it', async () => {
    const { observe, told, clock } = logged()
    observe({ type: 'state', state: 'starting' })
    for (let i = 0; i < 11; i++) observe(dead)
    observe({ type: 'state', state: 'stopped' })
    clock.advance(60_000)
    await nextTurn()
    expect(told().slice(11)).toEqual([
      more(1, 'JSON_INVALID'),
      expect.objectContaining({ msg: 'worker is stopped' }),
    ])
  })
})

type Place = typeof samples.assigned.partition

describe('a rebalance is told in one line for all partitions', () => {
  const of = (topic: string, ...numbers: number[]) =>
    numbers.map((number) => ({ topic, partition: number }))

  test('that were assigned, by two topologies or one', async () => {
    const { observe, told } = logged()
    for (const partition of [...of('payments', 3, 0, 1, 5), ...of('orders', 2)]) {
      observe({ ...samples.assigned, partition })
      observe({ ...samples.assigned, partition, topology: 'other' })
      observe({ ...samples.processed, partition })
      observe({ ...samples.restoring, partition })
    }
    await nextTurn()
    const list = 'orders 2, payments 0-1 3 5'
    expect(told()).toMatchObject([
      { level: 'info', msg: `assigned ${list}`, partitions: 5 },
      { level: 'info', msg: `restoring windows from the log: ${list}`, records: 200 },
    ])
  })

  test.each([
    ['revoked', 'info', 'handed over payments 0-2'],
    ['expelled', 'warn', 'lost payments 0-2: the group went on without this worker'],
    ['left', 'info', 'gave back payments 0-2'],
    [
      'cut',
      'warn',
      'restarts payments 0-2: records still to be read again were deleted from the log',
    ],
  ] as const)('that went, and why: %s', async (why, level, msg) => {
    const { observe, told } = logged()
    for (const partition of of('payments', 2, 1, 0)) observe({ ...samples.lost, partition, why })
    await nextTurn()
    expect(told()).toMatchObject([{ level, msg, partitions: 3 }])
  })

  test('that have their windows back, once all of them have, and from time to time how many records are left', async () => {
    const { observe, told, clock } = logged()
    const [zero, one, two] = of('payments', 0, 1, 2) as [Place, Place, Place]
    for (const partition of [zero, one, two]) observe({ ...samples.restoring, partition })
    observe({
      ...samples.restoring,
      partition: two,
      topology: 'other',
      reason: 'defined differently',
    })
    await nextTurn()
    clock.advance(4_999)
    observe({ ...samples.restoring, partition: zero, nextOffset: 70 })
    clock.advance(1)
    observe({ ...samples.restoring, partition: one, nextOffset: 80 })
    observe({ ...samples.restored, partition: one })
    observe({ ...samples.lost, partition: two })
    observe({ ...samples.restored, partition: zero, durationMs: 5_000 })
    expect(told()).toMatchObject([
      { level: 'info', msg: 'restoring windows from the log: payments 0-2', records: 120 },
      {
        level: 'warn',
        msg: 'restoring windows from further back: payments 2',
        reason: 'defined differently',
      },
      { msg: 'still restoring windows: payments 0-2', topology: 'card-fraud', records: 90 },
      { msg: 'still restoring windows: payments 2', topology: 'other', records: 40 },
      { msg: 'windows restored: payments 0-1', records: 120, took: '5 s' },
    ])
  })

  test('whose outputs are marked, and when they are whole again', () => {
    const { observe, told } = logged()
    observe({ ...samples.warming, reason: 'the group has committed nothing' })
    observe(samples.whole)
    expect(told()).toMatchObject([
      {
        level: 'warn',
        msg: 'windows may lack records that were not read: outputs carry tidemark-warming',
        reason: 'the group has committed nothing',
        partition: 3,
      },
      { level: 'info', msg: 'windows are whole', partition: 3 },
    ])
  })

  test('before whatever follows it', () => {
    const { observe, told } = logged()
    observe(samples.lost)
    observe(samples.assigned)
    observe({ type: 'state', state: 'running' })
    expect(told().map(({ msg }) => msg)).toEqual([
      'handed over payments 3',
      'assigned payments 3',
      'worker is running',
    ])
  })
})

test.each(['json', 'text'] as const)('no line of %s holds a payload or a key', (format) => {
  const { observe, lines } = logged(format)
  const canary = 'canary4417'
  const schema = z.looseObject({ amount: z.number({ error: (i) => `bad ${String(i.input)}` }) })
  const decode = (value: string) => () =>
    jsonEvent(source(schema), { key: Buffer.from(canary), value: Buffer.from(value) })
  const calls = [
    decode(canary),
    decode(`{"amount":"${canary}"}`),
    decode(`{"amount":1,"x":"${canary}"`),
    decode(`{"amount":1,"__proto__":"${canary}"}`),
    () => eventKey(() => `${canary}\ud800`, {}),
    () => eventTimeMs(() => canary as never, {}),
    () =>
      eventKey(() => {
        throw new Error(canary)
      }, {}),
  ]
  for (const call of calls) {
    const { code, message } = thrownIn(call)
    observe({ ...dead, code, message })
  }
  expect(lines).toHaveLength(calls.length)
  expect(lines.join('')).not.toContain(canary)
})

test('reading a table is told when it begins, every 5 s and at its end, each time', () => {
  const { clock, observe, told } = logged()
  for (let second = 0; second < 11; second++) {
    observe(samples['table-loading'])
    clock.advance(1_000)
  }
  observe(samples['table-loaded'])
  observe(samples['table-loading'])
  expect(told().map(({ msg }) => msg)).toEqual([
    'the table is read',
    'the table is still being read',
    'the table is still being read',
    'the table is read whole and followed',
    'the table is read',
  ])
  expect(told()[1]).toMatchObject({ table: 'merchants', records: 40_000, of: 100_000 })
  expect(told()[3]).toMatchObject({ rows: 90_000, took: '2.1 s' })
})

test('invalid records are told one by one up to ten a minute, then counted', () => {
  const { observe, told } = logged()
  for (let i = 0; i < 12; i++) observe(samples['table-row-invalid'])
  observe({ type: 'state', state: 'stopped' })
  expect(told().slice(0, 11)).toMatchObject([
    ...Array.from({ length: 10 }, () => ({ at: 'merchants-3@1041', code: 'SCHEMA_INVALID' })),
    { msg: 'more invalid records within a minute', count: 2 },
  ])
})

test('a table that is not updated, and one that is again, are told', () => {
  const { observe, told } = logged()
  const trouble = { type: 'trouble', kind: 'table', table: 'merchants' } as const
  observe({ ...trouble, reason: 'no broker answers' })
  observe({ ...trouble, reason: null })
  observe(samples['table-reloaded'])
  expect(told()).toMatchObject([
    { level: 'warn', table: 'merchants', reason: 'no broker answers' },
    { level: 'info', msg: 'the table is up to date again' },
    { level: 'info', table: 'planes', rows: 3_322, contents: 'sha256:0123456789abcdef' },
  ])
})

test('late predictions are told once a minute for each limit, with how many they were', () => {
  const clock = new HandClock(0)
  const lines: [object, string][] = []
  const warn = (fields: object, message: string) => lines.push([fields, message])
  const log = { debug: warn, info: warn, warn, error: warn }
  const observe = observedLog(log, { clock, topologies: [watched] })
  const late = (ms: number) => {
    observe({ ...samples.processed, nextOffset: 110 })
    clock.advance(ms)
    observe({
      ...samples.committed,
      nextOffsets: [{ partition: samples.assigned.partition, nextOffset: 110 }],
    })
  }
  late(60)
  late(60)
  late(200)
  late(60)
  clock.advance(60_000)
  late(60)
  const of = { topology: 'card-fraud', step: 'card-gbdt', stage: 'commit' }
  const [target, maximum] = ['target', 'maximum'].map(
    (limit) => `predictions are later than the ${limit} of their latency budget`,
  )
  expect(lines).toEqual([
    [{ ...of, took: '69 ms', target: '50 ms', events: 5 }, target],
    [{ ...of, took: '209 ms', maximum: '100 ms', events: 5 }, maximum],
    [{ ...of, took: '69 ms', target: '50 ms', events: 15 }, target],
  ])
})
