import { defineTopology, minutes, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { ReadyBatch } from '../../../src/engine/events.ts'
import { PassedHeaders } from '../../../src/runtime/output/headers.ts'
import { Produced } from '../../../src/runtime/output/outputs.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import type { Definition, ScoreStep } from '../../../src/topology/definition.ts'
import { batchOf } from '../../engine/batch.ts'
import { engineFor } from '../../engine/engine-for.ts'
import { type Whole, whole } from '../../engine/whole.ts'
import { stepAnswer } from '../../support/score-steps.ts'
import { model, record, START_MS } from '../support.ts'

// Rows of tables and carried features, which go with an event to the functions after its model.

const Sale = z.object({ at: z.int(), amount: z.number(), shop: z.string(), by: z.string() })
type Sale = z.infer<typeof Sale>
const Shop = z.object({ id: z.string(), name: z.string(), risk: z.number() })
type Shop = z.infer<typeof Shop>

const sales = {
  schema: Sale,
  key: () => 'k',
  eventTimeMs: (s: Sale) => s.at,
  watermark: { lag: minutes(1) },
  onLate: 'drop',
} as const
const file = new URL('file:///shops.ndjson')

const topology = defineTopology('t', (t) => {
  const shops = t.table('shops', { schema: Shop, key: (s) => s.id, from: { file } })
  return t
    .source('sales', sales)
    .features((f) => {
      const all = f.events({ amount: (s) => s.amount })
      const shop = all.lookup(shops, (s) => s.shop)
      const large = f.only((s): s is Sale => s.amount > 10, {})
      return {
        amount: all.value('amount'),
        sum: all.rolling(seconds(10)).sum('amount'),
        risk: shop.value((s) => s.risk),
        twice: shop.value((s) => 2 * s.risk),
        seller: large.lookup(shops, (s) => s.by, { as: 'seller' }).value((s) => s.risk),
      }
    })
    .score(model, { carry: ['risk', 'twice', 'seller'] })
    .map((s) => ({
      shop: s.lookup.shops?.name,
      seller: s.lookup.seller?.name,
      risk: s.features.risk,
      all: s.features,
    }))
    .sink('scores')
})

const SHOPS = new Map<string, Shop>([
  ['a', { id: 'a', name: 'Apples', risk: 0.1 }],
  ['b', { id: 'b', name: 'Bread', risk: 3 }],
])

/** Arrivals of the events at the model, and every key looked up, as often as it was. */
function arrivalsOf(definition: Definition, events: readonly Omit<Sale, 'at'>[]) {
  const asked: string[] = []
  const get = (key: string) => {
    asked.push(key)
    return SHOPS.get(key)
  }
  const engine = engineFor(definition, { lookup: () => ({ get }) })
  const given = events.map((event, i) => {
    const timeMs = START_MS + i
    return { key: 'k', timeMs, event: { ...event, at: timeMs } }
  })
  const { arrivals } = whole(engine.process(batchOf(engine, given)))
  return { arrivals: arrivals[0] as Whole['arrivals'][number], asked }
}

function outputsOf({ source }: Definition, ready: ReadyBatch): unknown[] {
  const from = {
    records: new ListedRecords([record(0), record(1), record(2)]),
    source: { topic: 'sales', partition: 0 },
    nextOffset: 0,
    present: { earliestMs: 0, latestMs: 0 },
    headers: [],
    passed: new PassedHeaders(source.passHeaders),
    formats: new Map(),
    topicLimits: () => limitsOf(undefined),
  }
  const scores = stepAnswer([new Float64Array(ready.indices.length)])
  const { outputs } = new Produced(ready, {
    passed: ready.pass(scores),
    from,
    decided: null,
    headers: [[]],
  }).write()
  return Array.from(outputs.records, ({ value }) => JSON.parse(String(value)))
}

describe('after a model', () => {
  const events = [
    { amount: 20, shop: 'a', by: 'b' },
    { amount: 5, shop: 'b', by: 'a' },
    { amount: 30, shop: 'none', by: 'none' },
  ]

  test('an event has the rows that its look-ups found, and the features that are carried', () => {
    const { arrivals } = arrivalsOf(topology, events)
    const features = (i: number, sum: number) => ({ amount: events[i]?.amount, sum })
    expect(outputsOf(topology, arrivals)).toEqual([
      {
        ...{ shop: 'Apples', seller: 'Bread', risk: 0.1 },
        all: { ...features(0, 20), risk: 0.1, twice: 0.2, seller: 3 },
      },
      // It is no event of the kind that looks the seller up.
      { shop: 'Bread', risk: 3, all: { ...features(1, 25), risk: 3, twice: 6, seller: null } },
      // NaN, which JSON does not have.
      { risk: null, all: { ...features(2, 55), risk: null, twice: null, seller: null } },
    ])
  })

  test('a row stays as it was found, though the table has another one by then', () => {
    const { arrivals } = arrivalsOf(topology, events)
    const [before] = outputsOf(topology, arrivals)
    const old = SHOPS.get('a') as Shop
    SHOPS.set('a', { id: 'a', name: 'Apricots', risk: 9 })
    expect(outputsOf(topology, arrivals)[0]).toEqual(before)
    SHOPS.set('a', old)
  })

  test('each look-up asks its table once, however many features it has', () => {
    const { asked } = arrivalsOf(topology, events)
    expect(asked).toEqual(['a', 'b', 'b', 'none', 'none'])
  })

  test('a carried feature is not rounded, and the row of the model does not have it', () => {
    const { arrivals } = arrivalsOf(topology, events)
    expect(Array.from(arrivals.rows)).toEqual([20, 20, 5, 25, 30, 55])
    expect(Array.from(arrivals.carried ?? []).slice(0, 3)).toEqual([0.1, 0.2, 3])
  })

  test('a score that is written as it is holds the rows too, and only where there are look-ups', () => {
    const { then } = topology
    const sink = { op: 'sink', name: 'raw', topic: 'raw', key: null } as const
    const raw = then.map((step) =>
      step.op === 'features'
        ? { ...step, then: step.then.map((s) => ({ ...s, then: [sink] }) as ScoreStep) }
        : step,
    )
    const definition = { ...topology, then: raw }
    const { arrivals } = arrivalsOf(definition, events)
    const outputs = outputsOf(definition, arrivals) as { lookup: object }[]
    expect(outputs.map(({ lookup }) => lookup)).toEqual([
      { shops: SHOPS.get('a'), seller: SHOPS.get('b') },
      { shops: SHOPS.get('b') },
      {},
    ])
    const bare = defineTopology('bare', (t) =>
      t
        .source('sales', sales)
        .features((f) => {
          const all = f.events({ amount: (s) => s.amount })
          return { amount: all.value('amount'), sum: all.rolling(seconds(10)).sum('amount') }
        })
        .score(model)
        .sink('raw'),
    )
    const [first] = outputsOf(bare, arrivalsOf(bare, events).arrivals)
    expect(Object.keys(first as object)).not.toContain('lookup')
  })
})
