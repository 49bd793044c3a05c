import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eventKey, eventTimeMs } from '../../src/formats/identity.ts'
import { JsonDecoder } from '../../src/formats/json/json-format.ts'
import { createLog, type LogFormat } from '../../src/observe/log.ts'
import { logEvents } from '../../src/observe/log-events.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { source } from '../formats/json/source.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownIn } from '../support/thrown.ts'
import { samples } from './events.ts'

/** A log in memory, watching a worker by a clock that the test moves. */
function logged(format: LogFormat = 'json') {
  const lines: string[] = []
  const log = createLog({ format, stream: { write: (line) => lines.push(line) } })
  const clock = new HandClock(0)
  const observe = logEvents(log, { clock, statusEveryMs: null })
  const told = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { lines, log, clock, observe, told }
}

const dead = samples['dead-letter']

describe('the log', () => {
  test('writes JSON with an ISO time, the level by name and the service', () => {
    const { log, told } = logged()
    log.warn({ topic: 'payments' }, 'the topic does not bound timestamps')
    expect(told()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'tidemark',
        topic: 'payments',
        msg: 'the topic does not bound timestamps',
      },
    ])
  })

  test('writes the number of its worker where there are several', () => {
    const lines: string[] = []
    const log = createLog({ format: 'text', worker: 2, stream: { write: (l) => lines.push(l) } })
    log.info({ partitions: 3 }, 'status')
    expect(lines[0]).toMatch(/ info {2}status {2}worker=2 {2}partitions=3\n$/)
  })

  test('writes plain lines for people', () => {
    const { log, lines } = logged('text')
    log.info({ partition: 3, reason: 'a b' }, 'partition assigned')
    expect(lines).toEqual([
      expect.stringMatching(
        /^\d\d:\d\d:\d\d info {2}partition assigned {2}partition=3 {2}reason=a b\n$/,
      ),
    ])
  })
})

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
      samples['shadow-off'],
      {
        ...{ level: 'warn', msg: 'a shadow is off until the worker starts again' },
        ...{ step: 'score', model: 'card-mlp', reason: 'the scoring thread has ended' },
      },
    ],
    [
      samples['shadow-unwritten'],
      {
        ...{ level: 'warn', msg: 'scores of a shadow are not written: they are dropped' },
        ...{ model: 'card-mlp', reason: 'no broker answers' },
      },
    ],
    [
      { ...samples['shadow-unwritten'], reason: null },
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
    const shadow = [samples['shadow-rows'], samples['shadow-agreement'], samples['shadow-outputs']]
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
  const decoder = new JsonDecoder(source(schema))
  const decode = (value: string) => () =>
    decoder.decode({ key: Buffer.from(canary), value: Buffer.from(value) })
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
