import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { ReadyBatch, WindowResult } from '../../src/engine/events.ts'
import type { Definition, TumblingStep } from '../../src/topology/definition.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { runs } from '../support/runs.ts'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { topologyAround } from './engine-rows.ts'
import { type Arrival, naiveTumbling } from './oracle/naive-tumbling.ts'
import { whole } from './whole.ts'

// Tumbling windows as a stream of their own.

const T = Date.UTC(2026, 0, 1)

const STEP: TumblingStep = {
  op: 'tumbling',
  name: 'minutes',
  lengthMs: 60_000,
  graceMs: 0,
  emit: 'final',
  columns: {
    amount: (e) => (e as { amount: number }).amount,
    shop: (e) => (e as { shop: string }).shop,
  },
  aggregates: {
    count: { of: 'count' },
    spent: { of: 'sum', column: 'amount' },
    largest: { of: 'max', column: 'amount', empty: Number.NaN },
    shops: { of: 'distinct', column: 'shop' },
    newest: { of: 'last', column: 'shop', empty: Number.NaN, cell: 'any' },
    each: { of: 'ratio', column: 'amount', over: 'amount', empty: Number.NaN },
    perSecond: { of: 'rate' },
    skewness: { of: 'skewness', column: 'amount', empty: Number.NaN },
    lately: { of: 'decayedSum', column: 'amount', halfLifeMs: 30_000 },
  },
  then: [{ op: 'sink', name: 'out', topic: 'out', key: null }],
}

interface Options {
  readonly step?: Partial<TumblingStep>
  readonly lagMs?: number
  readonly onLate?: OnLate
}

function topology({ step = {}, lagMs = 0, onLate = 'dead-letter' }: Options): Definition {
  const none = { op: 'features', name: 'none', kinds: [], features: [], then: [] } as const
  return { ...topologyAround(none, { lagMs, onLate }), then: [{ ...STEP, ...step }] }
}

function engineOf(options: Options = {}): Engine {
  return engineFor(topology(options))
}

/** Takes events, their times relative to T. */
function take(engine: Engine, events: readonly Arrival[]) {
  const result = whole(engine.process(batchOf(engine, events)))
  return { ...result, windows: windowsOf(result) }
}

function windowsOf({ arrivals }: ReturnType<typeof whole>): WindowResult[] {
  return arrivals.flatMap((a) => a.indices.map((i) => a.windows?.[i] as WindowResult))
}

const pay = (key: string, atMs: number, amount = 1): Arrival => ({
  key,
  timeMs: T + atMs,
  event: { amount, shop: 's' },
})
const outline = ({ key, startMs, endMs, cause }: WindowResult) => [
  key,
  startMs - T,
  endMs - T,
  cause,
]

test('a window closes when the watermark passes its end, and not before', () => {
  const engine = engineOf({ lagMs: 5_000 })
  const before = take(engine, [pay('a', 0), pay('a', 59_999), pay('a', 64_999)])
  expect(before.windows).toEqual([])
  const { windows } = take(engine, [pay('a', 65_000)])
  expect(windows.map(outline)).toEqual([['a', 0, 60_000, 0]])
  expect(windows[0]?.event).toEqual({
    key: 'a',
    windowStartMs: T,
    windowEndMs: T + 60_000,
    count: 2,
    spent: 2,
    largest: 1,
    shops: 1,
    newest: 's',
    each: 1,
    perSecond: 2 / 60,
    skewness: null,
    // The one a whole window back, the other a millisecond.
    lately: expect.closeTo(1 / 4 + 2 ** (-1 / 30_000), 15),
  })
})

test('those closed by one event go out by (end, key)', () => {
  const engine = engineOf({ lagMs: 120_000 })
  const { windows } = take(engine, [
    pay('b', 0),
    pay('ü', 60_000),
    pay('a', 60_000),
    pay('a', 0),
    pay('Z', 1),
    pay('x', 300_000),
  ])
  expect(windows.map(outline)).toEqual([
    ['Z', 0, 60_000, 5],
    ['a', 0, 60_000, 5],
    ['b', 0, 60_000, 5],
    ['a', 60_000, 120_000, 5],
    ['ü', 60_000, 120_000, 5],
  ])
})

test('an event behind the watermark enters a window that is still open', () => {
  const engine = engineOf()
  const { windows, late } = take(engine, [pay('a', 50_000), pay('a', 10_000), pay('a', 60_000)])
  expect(windows.map((w) => w.event['count'])).toEqual([2])
  expect(late).toEqual([])
})

describe('an event whose window has closed is late', () => {
  const events = [pay('a', 0), pay('a', 60_000), pay('a', 59_999)]
  test.each<[OnLate, string[]]>([
    ['dead-letter', ['LATE']],
    ['drop', []],
    ['score', []],
  ])('%s', (onLate, codes) => {
    const result = take(engineOf({ onLate }), events)
    expect(result.late).toEqual([{ step: 'minutes', indices: [2] }])
    expect(result.faults.map((f) => f.error.code)).toEqual(codes)
    expect(result.windowed).toEqual([0, 1])
  })

  test('with a grace it is late only after that', () => {
    const engine = engineOf({ step: { graceMs: 1_000 } })
    expect(take(engine, [...events, pay('a', 60_999), pay('a', 1)]).late).toEqual([])
    const { windows, late } = take(engine, [pay('a', 61_000), pay('a', 2)])
    expect(windows.map((w) => w.event['count'])).toEqual([3])
    expect(late).toEqual([{ step: 'minutes', indices: [1] }])
  })
})

test('an event that another step keeps back still closes windows', () => {
  const definition = topology({})
  const keep = (e: unknown) => (e as { amount: number }).amount > 0
  const where = { op: 'where', name: 'where', keep, then: definition.then } as const
  const engine = engineFor({ ...definition, then: [where] })
  const { windows } = take(engine, [pay('a', 0), pay('b', 60_000, 0), pay('a', 61_000)])
  expect(windows.map(outline)).toEqual([['a', 0, 60_000, 1]])
})

test('time that passes without an event closes windows, without a cause', () => {
  const engine = engineOf({ lagMs: 30_000 })
  take(engine, [pay('a', 0)])
  expect(engine.nextEndMs).toBe(T + 60_000)
  expect(windowsOf(whole(engine.advance(T + 59_999)))).toEqual([])
  expect(windowsOf(whole(engine.advance(T + 60_000))).map(outline)).toEqual([
    ['a', 0, 60_000, null],
  ])
  expect(engine.nextEndMs).toBe(Number.POSITIVE_INFINITY)
})

test('early results come for each event, in the order of the final ones, and say which they are', () => {
  const engine = engineOf({ step: { emit: 'early' } })
  const { windows } = take(engine, [pay('a', 0, 5), pay('a', 1_000, 7), pay('b', 60_000)])
  const told = windows.map((w) => [w.key, w.event['isFinal'], w.event['spent'], w.cause])
  expect(told).toEqual([
    ['a', false, 5, 0],
    ['a', false, 12, 1],
    ['a', true, 12, 2],
    ['b', false, 1, 2],
  ])
})

test('many windows that close at once are given some at a time', () => {
  const engine = engineOf()
  take(
    engine,
    Array.from({ length: 2_500 }, (_, i) => pay(`k${i}`, 0)),
  )
  const results = engine.process(batchOf(engine, [pay('x', 60_000)]))
  const sizes: number[] = []
  for (;;) {
    const { done, value } = results.next()
    const ready = (done === true ? value.ready : value) as readonly ReadyBatch[]
    sizes.push(ready.reduce((n, a) => n + a.indices.length, 0))
    if (done === true) break
  }
  expect(sizes).toEqual([1_000, 1_000, 500])
  expect(engine.use.keys).toBe(1)
})

test('an event that cannot be read enters no window', () => {
  const { faults, windowed } = take(engineOf(), [
    { key: 'a', timeMs: T, event: { amount: 'no', shop: 's' } },
    pay('a', 0),
  ])
  expect(faults.map((f) => [f.of, f.error.code])).toEqual([[0, 'COLUMN_INVALID']])
  expect(windowed).toEqual([1])
})

test('a number that only a float64 can hold is summed', () => {
  const large = { key: 'a', timeMs: T, event: { amount: 1e39, shop: 's' } }
  const { faults, windowed } = take(engineOf(), [large])
  expect([faults, windowed]).toEqual([[], [0]])
})

test('past the limit of keys a new key is set aside, a known one goes on', () => {
  const limits = { maxKeys: 2, maxBytes: 1e9 }
  const engine = engineFor(topology({}), { limits })
  const { faults } = take(engine, [pay('a', 0), pay('b', 0), pay('c', 0), pay('a', 1)])
  expect(faults.map((f) => [f.of, f.error.code])).toEqual([[2, 'STATE_LIMIT']])
  // Room comes back with the windows that close.
  expect(take(engine, [pay('a', 60_000), pay('c', 60_001)]).faults).toEqual([])
})

test('the results equal a naive recomputation, each window once, however the log is cut', () => {
  const event = fc.record({
    amount: fc.integer({ min: -9, max: 9 }),
    shop: fc.constantFrom('s', 't'),
  })
  const arrival = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    stepMs: fc.oneof(fc.nat(3_000), fc.nat(200_000), fc.integer({ min: -90_000, max: 0 })),
    event,
  })
  const property = fc.property(
    fc.array(arrival, { maxLength: 60 }),
    fc.record({
      lagMs: fc.constantFrom(0, 10_000, 60_000),
      graceMs: fc.constantFrom(0, 5_000, 60_000),
      chunk: fc.constantFrom(1, 7, 100),
    }),
    (steps, { lagMs, graceMs, chunk }) => {
      let newestMs = T
      const events = steps.map(({ key, stepMs, event: of }): Arrival => {
        const timeMs = Math.max(0, newestMs + stepMs)
        newestMs = Math.max(newestMs, timeMs)
        return { key, timeMs, event: of }
      })
      const engine = engineOf({ step: { graceMs }, lagMs })
      const got: unknown[] = []
      let late = 0
      for (let at = 0; at < events.length; at += chunk) {
        const result = take(engine, events.slice(at, at + chunk))
        got.push(...result.windows.map((w) => w.event))
        late += result.late.reduce((n, l) => n + l.indices.length, 0)
      }
      got.push(...windowsOf(whole(engine.advance(newestMs + 1e9))).map((w) => w.event))
      const wanted = naiveTumbling({ ...STEP, graceMs }, lagMs, events)
      expect(got).toEqual(wanted.results)
      expect(late).toBe(wanted.late)
      expect(engine.use.keys).toBe(0)
    },
  )
  fc.assert(property, { numRuns: runs(300) })
})
