import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eventKey, eventTimeMs } from '../../src/codec/identity.ts'
import { EventDecoder } from '../../src/codec/json.ts'
import { createLog, type LogFormat } from '../../src/observe/log.ts'
import { logEvents } from '../../src/observe/log-events.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { faultOf, source } from '../codec/source.ts'
import { samples } from './events.ts'

/** A log in memory, watching a worker at a time that the test sets. */
function logged(format: LogFormat = 'json') {
  const lines: string[] = []
  const log = createLog({ format, stream: { write: (line) => lines.push(line) } })
  const clock = { ms: 0 }
  const observe = logEvents(log, () => clock.ms)
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
      samples.assigned,
      {
        level: 'info',
        msg: 'partition assigned',
        topic: 'payments',
        partition: 3,
        nextOffset: 100,
      },
    ],
    [samples.lost, { level: 'info', msg: 'partition lost', topic: 'payments', partition: 3 }],
    [samples.throttled, { level: 'warn', msg: 'throttled by the broker 4.2 s' }],
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
  ] as [RuntimeEvent, Record<string, unknown>][])('%o', (event, line) => {
    const { observe, told } = logged()
    observe(event)
    expect(told()).toEqual([expect.objectContaining(line)])
  })

  test('nothing for what happens with every chunk', () => {
    const { observe, lines } = logged()
    const { consumed, processed, step, inference, late, committed } = samples
    for (const event of [consumed, processed, step, inference, late, committed]) observe(event)
    expect(lines).toEqual([])
  })
})

test('waits for a quota are told as a sum, once it is a second and 5 s after the last', () => {
  const { observe, told, clock } = logged()
  const wait = (durationMs: number) => observe({ type: 'throttled', durationMs })
  for (let i = 0; i < 9; i++) wait(100)
  expect(told()).toEqual([])
  for (let i = 0; i < 20; i++) wait(100)
  clock.ms += 5_000
  wait(500)
  expect(told().map(({ msg }) => msg)).toEqual([
    'throttled by the broker 1 s',
    'throttled by the broker 2.4 s',
  ])
})

describe('dead letters of one code past the first ten in a minute', () => {
  const more = (count: number, code: string) =>
    expect.objectContaining({ msg: 'more dead letters within a minute', count, code })

  test('are told as a count with the next event after the minute', () => {
    const { observe, told, clock } = logged()
    for (let i = 0; i < 25; i++) observe(dead)
    observe({ ...dead, code: 'NULL_KEY' })
    clock.ms = 59_999
    observe(samples.consumed)
    expect(told()).toHaveLength(11)
    clock.ms = 60_000
    observe(samples.consumed)
    expect(told().slice(11)).toEqual([more(15, 'JSON_INVALID')])
    observe(dead)
    expect(told()).toHaveLength(13)
  })

  test('are told as a count when the worker stops', () => {
    const { observe, told } = logged()
    for (let i = 0; i < 11; i++) observe(dead)
    observe({ type: 'state', state: 'stopped' })
    expect(told().slice(10)).toEqual([
      more(1, 'JSON_INVALID'),
      expect.objectContaining({ msg: 'worker is stopped' }),
    ])
  })
})

test.each(['json', 'text'] as const)('no line of %s holds a payload or a key', (format) => {
  const { observe, lines } = logged(format)
  const canary = 'canary4417'
  const schema = z.looseObject({ amount: z.number({ error: (i) => `bad ${String(i.input)}` }) })
  const decoder = new EventDecoder(source(schema))
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
    const { code, message } = faultOf(call)
    observe({ ...dead, code, message })
  }
  expect(lines).toHaveLength(calls.length)
  expect(lines.join('')).not.toContain(canary)
})
