import { defineTopology, type FeatureKit, file, minutes, seconds } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { ScannedEvents } from '../../src/columns/scanned-events.ts'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { folderWith } from '../support/folder.ts'

// Topologies that write features, without a model.

const Sale = z.object({
  at: z.int(),
  shop: z.string(),
  amount: z.number(),
  note: z.string().optional(),
})
type Sale = z.infer<typeof Sale>

const START_MS = Date.UTC(2026, 0, 1)
const source = {
  schema: Sale,
  key: () => 'k',
  eventTimeMs: (s: Sale) => s.at,
  watermark: { lag: seconds(1) },
  onLate: 'dead-letter',
} as const

function define(f: FeatureKit<Sale>) {
  const all = f.events({ amount: (s) => s.amount })
  return {
    tenth: all.value((s) => s.amount / 10),
    sum: all.rolling(minutes(1)).sum('amount'),
    since: all.rolling(minutes(1)).secondsSinceLast({ empty: Number.NaN }),
  }
}

/** Sales of these amounts, a second apart. */
function sales(...amounts: readonly number[]): Sale[] {
  return amounts.map((amount, n) => ({ at: START_MS + n * 1_000, shop: 'a', amount }))
}

async function piped<T>(topology: Topology<T>, events: readonly Sale[]) {
  const driver = await TopologyDriver.start(topology)
  try {
    await driver.pipe(events)
    const valuesOf = <K extends keyof T & string>(topic: K) =>
      driver.outputs(topic).map(({ value }) => value)
    return { valuesOf, dead: driver.deadLetters(), outcomes: driver.outcomes }
  } finally {
    await driver.stop()
  }
}

const { fround } = Math

test('an event is written with its features as a model would see them: float32, NaN as null', async () => {
  const topology = defineTopology('t', (t) =>
    t.source('sales', source).features(define).sink('rows'),
  )
  const [first, second] = sales(1, 2)
  const { valuesOf, outcomes } = await piped(topology, sales(1, 2))
  expect(valuesOf('rows')).toEqual([
    { event: first, features: { tenth: fround(0.1), sum: 1, since: null } },
    { event: second, features: { tenth: fround(0.2), sum: 3, since: 1 } },
  ])
  expect(outcomes).toMatchObject({ scored: 2, skipped: 0, dead: 0 })
})

test('a condition reads the features, and those that it leaves out are in the windows', async () => {
  const topology = defineTopology('t', (t) =>
    t
      .source('sales', source)
      .features(define)
      .where((s, { sum }) => s.amount > 1 && sum > 3)
      .map(({ event, features }) => ({ amount: event.amount, sum: features.sum }))
      .sink('rows'),
  )
  const { valuesOf, outcomes } = await piped(topology, sales(1, 2, 1, 5))
  expect(valuesOf('rows')).toEqual([{ amount: 5, sum: 9 }])
  expect(outcomes).toMatchObject({ scored: 1, skipped: 3 })
})

test('each event goes to the first branch whose condition holds', async () => {
  const topology = defineTopology('t', (t) => {
    const { large, growing, rest } = t
      .source('sales', source)
      .features(define)
      .branch({ large: (s) => s.amount > 4, growing: (_, { sum }) => sum > 2 })
    return [
      large.map((s) => s.features.sum).sink('large'),
      growing.sink('growing', { key: (s) => s.event.shop }),
      rest
        .where((s) => s.amount > 0)
        .map((s) => s.event.amount)
        .sink('rest'),
    ]
  })
  const { valuesOf } = await piped(topology, sales(1, 5, 2, -1))
  expect(valuesOf('large')).toEqual([6])
  expect(valuesOf('growing').map((s) => s.features.sum)).toEqual([8, 7])
  expect(valuesOf('rest')).toEqual([1])
})

test('a function gets the rows that look-ups have found', async () => {
  const folder = folderWith({ 'shops.ndjson': '{"id":"a","risk":0.5}\n' })
  const Shop = z.object({ id: z.string(), risk: z.number() })
  const topology = defineTopology('t', (t) => {
    const from = file(new URL(`file://${folder}/shops.ndjson`))
    const shops = t.table('shops', { schema: Shop, key: (s) => s.id, from })
    return t
      .source('sales', source)
      .features((f) => ({
        risk: f
          .events({})
          .lookup(shops, (s) => s.shop)
          .value((s) => s.risk),
      }))
      .map(({ features, lookup }) => ({ risk: features.risk, id: lookup.shops?.id ?? null }))
      .sink('rows')
  })
  const none = sales(2).map((s) => ({ ...s, shop: 'other' }))
  const { valuesOf } = await piped(topology, [...sales(1), ...none])
  expect(valuesOf('rows')).toEqual([
    { risk: 0.5, id: 'a' },
    { risk: null, id: null },
  ])
})

test('what a map merely picks is written from columns, behind a condition too, as if it were called', async () => {
  const picked = (f: FeatureKit<Sale>) => {
    const all = f.events({ amount: (s) => s.amount })
    const since = all.rolling(minutes(1)).secondsSinceLast({ empty: Number.NaN })
    return { amount: all.value('amount'), since }
  }
  const picking = defineTopology('t', (t) =>
    t
      .source('sales', source)
      .features(picked)
      .where((s) => s.amount !== 2)
      .map((s) => ({ shop: s.event.shop, note: s.event.note, since: s.features.since }))
      .sink('rows'),
  )
  const calling = defineTopology('t', (t) =>
    t
      .source('sales', source)
      .features(picked)
      .where((s) => s.amount !== 2)
      .map((s) => ({ ...{ shop: s.event.shop, note: s.event.note }, since: s.features.since }))
      .sink('rows'),
  )
  const called = await piped(calling, sales(1, 2, 3, 4))
  const made = vi.spyOn(ScannedEvents.prototype, 'at')
  const { valuesOf } = await piped(picking, sales(1, 2, 3, 4))
  const times = made.mock.calls.length
  made.mockRestore()
  expect(valuesOf('rows')).toEqual(called.valuesOf('rows'))
  expect(valuesOf('rows')).toHaveLength(3)
  expect(times).toBe(0)
})

test('features of events that no step takes are not computed, so that none of them is a dead letter', async () => {
  const value = (s: Sale) => {
    if (s.amount < 0) throw new Error('negative')
    return s.amount
  }
  const rows = (where: (s: Sale, features: { readonly a: number }) => boolean) =>
    defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features((f) => ({ a: f.events({}).value(value) }))
        .where(where)
        .sink('rows'),
    )
  const plain = await piped(
    rows((s) => s.amount > 0),
    sales(-1, 1),
  )
  expect(plain.outcomes).toMatchObject({ scored: 1, skipped: 1, dead: 0 })
  const reading = await piped(
    rows((_, { a }) => a > 0),
    sales(-1, 1),
  )
  expect(reading.outcomes).toMatchObject({ scored: 1, skipped: 0, dead: 1 })
})

test('windows behind features are refused', () => {
  const topology = defineTopology('t', (t) =>
    t
      .source('sales', source)
      .features(define)
      .map((s) => s.event)
      .dedupe({ by: (s) => s.shop, within: minutes(1) })
      .tumbling(minutes(1))
      .aggregate({ amount: (s) => s.amount }, (a) => ({ sum: a.sum('amount') }))
      .sink('rows'),
  )
  expect(validateTopology(topology).map(({ code, message }) => `${code} ${message}`)).toEqual([
    'NOT_SUPPORTED duplicates among features',
    'NOT_SUPPORTED windows over features',
  ])
})
