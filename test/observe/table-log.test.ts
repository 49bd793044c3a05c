import { expect, test } from 'vitest'
import { createLog } from '../../src/observe/log.ts'
import { logEvents } from '../../src/observe/log-events.ts'
import { createHealth } from '../../src/serve/health.ts'
import { HandClock } from '../support/clocks.ts'
import { samples } from './events.ts'

/** A log of tables, in memory, by a clock that the test moves. */
function logged() {
  const lines: string[] = []
  const log = createLog({ format: 'json', stream: { write: (line) => lines.push(line) } })
  const clock = new HandClock(0)
  const observe = logEvents(log, { clock, statusEveryMs: null })
  const told = () => lines.map((line) => JSON.parse(line) as { msg: string; count?: number })
  return { clock, observe, told }
}

test('reading a table is told when it begins, every 5 s and at its end', () => {
  const { clock, observe, told } = logged()
  for (let second = 0; second < 11; second++) {
    observe(samples['table-loading'])
    clock.advance(1_000)
  }
  observe(samples['table-loaded'])
  expect(told().map(({ msg }) => msg)).toEqual([
    'the table is read',
    'the table is still being read',
    'the table is still being read',
    'the table is read whole and followed',
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
  observe(samples['table-held-up'])
  observe({ ...samples['table-held-up'], reason: null })
  observe(samples['table-reloaded'])
  expect(told()).toMatchObject([
    { level: 'warn', table: 'merchants', reason: 'no broker answers' },
    { level: 'info', msg: 'the table is up to date again' },
    { level: 'info', table: 'planes', rows: 3_322, contents: 'sha256:0123456789abcdef' },
  ])
})

test('a worker that reads a table is not ready, and says how far it is', () => {
  const health = createHealth()
  health.observer(samples['table-loading'])
  const tables = [{ table: 'merchants', records: 40_000, of: 100_000 }]
  expect(health.readiness()).toMatchObject({ ready: false, state: 'starting', tables })
  health.observer(samples['table-loaded'])
  expect(health.readiness()).not.toHaveProperty('tables')
})
