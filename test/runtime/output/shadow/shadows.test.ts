import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LogRecord } from '../../../../src/connect/port.ts'
import { TidemarkError } from '../../../../src/kernel/errors.ts'
import { headerOf } from '../../../support/headers.ts'
import { runs } from '../../../support/runs.ts'
import { START_MS } from '../../support.ts'
import {
  GROUP,
  logOf,
  rowsOf,
  type Sent,
  send,
  shadowed,
  shadowScorer,
  startShadowed,
  valuesIn,
} from './shadowed.ts'

const EVENTS: readonly Sent[] = [
  ['a', 0.25],
  ['b', 0.75],
  ['a', 1],
  ['c', 0.5],
  ['b', 0.125],
  ['a', 0.375],
  ['d', 2],
]

/** Says half of what the main model says. */
const half = () => shadowScorer((amounts) => amounts.map((amount) => amount / 2))

/** All but when it was scored. */
function plainOf({ key, value, timestampMs, headers }: LogRecord) {
  const own = headers.filter(({ name }) => name !== 'tidemark-scored-at')
  return [String(key), String(value), timestampMs, own.map((h) => [h.name, String(h.value)])]
}

test('each event that has a main score has one of the shadow in its topic, with key, time and id', async () => {
  const records = logOf(EVENTS)
  const { worker, watch } = startShadowed(records, half())
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  const outputs = records.read('shadow-scores')
  expect(valuesIn(outputs)).toEqual(
    EVENTS.map(([, amount]) => ({
      model: 'o@2',
      score: { p: amount / 2 },
      main: { model: 'm@1', route: 'main', score: { p: amount } },
    })),
  )
  const main = records.read('scores')
  expect(outputs.map(({ key }) => String(key))).toEqual(EVENTS.map(([key]) => key))
  expect(outputs.map(({ timestampMs }) => timestampMs)).toEqual(EVENTS.map((_, i) => START_MS + i))
  expect(outputs.map((r) => headerOf(r, 'tidemark-id'))).toEqual(
    EVENTS.map((_, i) => `events/0/${i}/shadow-scores`),
  )
  const by = main.map((r) => headerOf(r, 'tidemark-by'))
  expect(outputs.map((r) => headerOf(r, 'tidemark-by'))).toEqual(by)
  expect(headerOf(outputs[0] as LogRecord, 'tidemark-model')).toBe('o@2+cdcdcdcd')
  expect(Number(headerOf(outputs[0] as LogRecord, 'tidemark-scored-at'))).toBeGreaterThan(0)
  expect(rowsOf(watch)).toEqual({ scored: EVENTS.length, failed: 0, dropped: 0 })
  const written = watch.of('shadow-outputs').reduce((sum, e) => sum + e.written, 0)
  expect(written).toBe(EVENTS.length)
})

test('the agreement is that of the published scores with those of the shadow', async () => {
  const records = logOf(EVENTS)
  const { worker, watch } = startShadowed(records, half())
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  const told = watch.of('shadow-parity')
  const amounts = EVENTS.map(([, amount]) => amount)
  const mean = amounts.reduce((sum, a) => sum - a / 2, 0) / amounts.length
  expect(told.at(-1)).toMatchObject({ topology: 'scored', step: 'score', model: 'o', psi: null })
  expect(told.at(-1)?.pairs).toBe(amounts.length)
  expect(told.at(-1)?.difference.mean).toBeCloseTo(mean, 12)
  expect(told.at(-1)?.difference.absoluteMean).toBeCloseTo(-mean, 12)
})

test('a shadow without a topic is compared and writes nothing', async () => {
  const records = logOf(EVENTS)
  const { worker, watch } = startShadowed(records, half(), { definition: shadowed({}) })
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  expect(rowsOf(watch).scored).toBe(EVENTS.length)
  expect(watch.of('shadow-outputs')).toEqual([])
})

test('rows that the shadow cannot score have failed, and the main model publishes them', async () => {
  const records = logOf(EVENTS)
  const notOverOne = shadowScorer((amounts) => amounts.map((a) => (a > 1 ? Number.NaN : a)))
  const { worker, watch } = startShadowed(records, notOverOne)
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  expect(rowsOf(watch)).toEqual({ scored: EVENTS.length - 1, failed: 1, dropped: 0 })
  expect(records.read('scores')).toHaveLength(EVENTS.length)
  expect(records.read('shadow-scores')).toHaveLength(EVENTS.length - 1)
  expect(records.read('events.dlq')).toEqual([])
})

test('a shadow that hangs holds up nothing, and what there is no room for is dropped and counted', async () => {
  const records = logOf([], 500)
  const never = shadowScorer(() => new Promise(() => {}))
  const { worker, watch } = startShadowed(records, never)
  const events = Array.from({ length: 20_000 }, (_, i): Sent => ['k', i])
  send(records, events)
  await records.settled(GROUP, 'events')
  expect(records.read('scores')).toHaveLength(events.length)
  // There is room for 16,384 rows, and chunks have 500.
  expect(rowsOf(watch)).toEqual({ scored: 0, failed: 0, dropped: 4_000 })
  await worker.stop()
  expect(rowsOf(watch).dropped).toBeGreaterThan(4_000)
  expect(watch.states.at(-1)).toBe('stopped')
})

test('a shadow whose thread has ended is off, and the worker goes on', async () => {
  const records = logOf(EVENTS)
  const { worker, watch } = startShadowed(
    records,
    shadowScorer(() => {
      throw new TidemarkError('MODEL_LOST', 'its thread has ended')
    }),
  )
  await watch.until(({ events }) => events.some((e) => e.type === 'trouble'))
  send(records, EVENTS)
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  expect(watch.troubles('shadow-off')).toEqual([
    expect.objectContaining({ model: 'o', reason: 'its thread has ended' }),
  ])
  expect(records.read('scores')).toHaveLength(2 * EVENTS.length)
  const { scored, failed, dropped } = rowsOf(watch)
  expect([scored, failed + dropped]).toEqual([0, 2 * EVENTS.length])
  expect(watch.states).not.toContain('failed')
})

test('a shadow that fails on all rows of a batch scores the next one', async () => {
  const records = logOf(EVENTS)
  let calls = 0
  const atFirst = shadowScorer((amounts) => {
    calls++
    if (calls === 1) throw new TidemarkError('MODEL_FAILING', 'it fails')
    return amounts
  })
  const { worker, watch } = startShadowed(records, atFirst)
  await records.settled(GROUP, 'events')
  await worker.settled()
  send(records, EVENTS)
  await records.settled(GROUP, 'events')
  await worker.settled()
  await worker.stop()
  const { scored, failed, dropped } = rowsOf(watch)
  expect(failed).toBeGreaterThan(0)
  expect(scored).toBeGreaterThanOrEqual(EVENTS.length)
  expect(scored + failed).toBe(2 * EVENTS.length)
  expect(dropped).toBe(0)
  expect(watch.troubles('shadow-off')).toEqual([])
})

test('what is published is the same, byte by byte, with and without a shadow, whatever that does', async () => {
  const events = fc.array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.integer({ min: 0, max: 40 }).map((n) => n / 8),
    ),
    { maxLength: 40 },
  )
  const answer = fc.constantFrom<(amount: number) => number>(
    (amount) => amount / 3,
    () => Number.NaN,
    (amount) => {
      if (amount > 4) throw new TidemarkError('INVARIANT', 'the scoring thread has ended')
      return amount
    },
  )
  await fc.assert(
    fc.asyncProperty(events, answer, async (sent, say) => {
      const published = async (isShadowed: boolean) => {
        const records = logOf(sent)
        const shadow = isShadowed ? shadowScorer((amounts) => amounts.map(say)) : null
        const definition = shadowed(isShadowed ? { sink: 'shadow-scores', share: 0.6 } : null)
        const { worker } = startShadowed(records, shadow, { definition })
        await records.settled(GROUP, 'events')
        await worker.settled()
        await worker.stop()
        return [...records.read('scores'), ...records.read('events.dlq')].map(plainOf)
      }
      expect(await published(true)).toEqual(await published(false))
    }),
    { numRuns: runs(30) },
  )
})
