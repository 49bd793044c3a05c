import {
  defineTopology,
  millis,
  minutes,
  type OutputOf,
  onnxModel,
  type Reused,
  rule,
  seconds,
  topic,
} from 'tidemark'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import cardModels from '../../topologies/card-models.ts'

const Order = z.object({ id: z.string(), at: z.int(), amount: z.number(), tier: z.string() })
const Scored = z.object({
  p: z.number(),
  at: z.number(),
  features: z.record(z.string(), z.number()),
})
type Scored = z.infer<typeof Scored>
const common = { version: '1', file: new URL('file:///m'), sha256: '', input: 'x' }
const small = onnxModel({
  ...common,
  name: 'small',
  features: ['amount'],
  outputs: { p: { tensor: 'p', column: 0 }, label: { tensor: 'label', column: 0 } },
})
const large = onnxModel({
  ...common,
  name: 'large',
  features: ['amount', 'count'],
  outputs: {
    p: { tensor: 'p', column: 0 },
    label: { tensor: 'label', column: 0 },
    risk: { tensor: 'risk', columns: ['low', 'high'] },
  },
})
const rules = rule({ outputs: ['p'] }, (f: { amount: number }) => ({ p: f.amount / 100 }))

defineTopology('several', (t) => {
  const orders = t
    .source('orders', {
      schema: Order,
      key: (o) => o.id,
      eventTimeMs: (o) => o.at,
      watermark: { lag: seconds(1) },
      onLate: 'drop',
    })
    .features((f) => {
      const all = f.events({ amount: (o) => o.amount })
      return { amount: all.value('amount'), count: all.rolling(minutes(5)).count() }
    })

  const models = { small, large, rules }
  const scored = orders.score(
    {
      models,
      route: [
        { to: 'large', when: (o, f, atMs) => o.tier === 'gold' || f.count > 3 || atMs > 0 },
        { to: 'large', name: 'canary', share: 0.1 },
      ],
      otherwise: 'small',
      fallback: 'rules',
      fallbackOn: ['budget'],
      shadow: { large: { sink: 'orders-shadow', share: 0.5 } },
    },
    { latencyBudget: millis(20) },
  )
  // @ts-expect-error no such model
  orders.score({ models, route: [{ to: 'premium', share: 0.1 }], otherwise: 'small' })
  // @ts-expect-error no such model
  orders.score({ models, otherwise: 'premium' })
  // @ts-expect-error no such model
  orders.score({ models, otherwise: 'small', fallback: 'premium' })
  // @ts-expect-error no such model
  orders.score({ models, otherwise: 'small', shadow: { premium: {} } })
  // @ts-expect-error a rule has a condition or a share
  orders.score({ models, route: [{ to: 'large' }], otherwise: 'small' })
  // @ts-expect-error no such feature
  orders.score({ models, route: [{ to: 'large', when: (_, f) => f.sum > 1 }], otherwise: 'small' })
  // @ts-expect-error one says which model scores the other events
  orders.score({ models })
  // @ts-expect-error no model takes `count`
  orders.score({ models: { small }, otherwise: 'small' })
  orders.score({ models: { small }, otherwise: 'small' }, { carry: ['count'] })
  // @ts-expect-error a rule returns all its outputs
  rule({ outputs: ['p', 'q'] }, (f: { amount: number }) => ({ p: f.amount }))

  test('a score has the outputs that all models have', () => {
    scored.map((s) => {
      expectTypeOf<keyof typeof s.score>().toEqualTypeOf<'p'>()
      expectTypeOf(s.score.p).toEqualTypeOf<number>()
      expectTypeOf(s.model).toEqualTypeOf<string>()
      expectTypeOf(s.route).toEqualTypeOf<string>()
      expectTypeOf(s.features.count).toEqualTypeOf<number>()
      return s
    })
    orders.score({ models: { small, large }, otherwise: 'small' }).map((s) => {
      expectTypeOf<keyof typeof s.score>().toEqualTypeOf<'p' | 'label'>()
      return s
    })
    orders.score({ variants: [small, large], budget: millis(5), minAccuracy: 0.9 }).map((s) => {
      expectTypeOf<keyof typeof s.score>().toEqualTypeOf<'p' | 'label'>()
      return s
    })
  })

  const nightly = t.table('nightly', { schema: Scored, from: topic('nightly') })
  const reuse = {
    ...{ table: nightly, score: (r: Scored) => ({ p: r.p }), at: (r: Scored) => r.at },
    maxAge: minutes(5),
  }
  const reused = orders.score({
    models: { large, rules },
    otherwise: 'large',
    reuse: {
      table: nightly,
      score: (r) => ({ p: r.p }),
      at: (r) => r.at,
      maxAge: minutes(5),
      unless: (o) => o.tier === 'gold',
      drift: {
        features: (r) => r.features,
        threshold: 0.1,
        adjust: (score, drift) => ({ p: score.p + 0.1 * drift }),
      },
    },
  })
  // @ts-expect-error no such field in a row
  orders.score({ models, otherwise: 'large', reuse: { ...reuse, at: (r) => r.when } })
  // @ts-expect-error an output is missing
  orders.score({ models: { large }, otherwise: 'large', reuse })
  const features = () => ({ size: 1 })
  // @ts-expect-error no such feature
  orders.score({
    models,
    otherwise: 'large',
    reuse: { ...reuse, drift: { features, threshold: 1 } },
  })
  const store = t.store('store', { schema: Scored, from: { getMany: async () => [] } })
  // @ts-expect-error rows of a store are not reused
  orders.score({ models, otherwise: 'large', reuse: { ...reuse, table: store } })

  test('where scores are reused, and only there, an event says so', () => {
    reused.map((s) => {
      expectTypeOf(s.reuse).toEqualTypeOf<Reused | null>()
      expectTypeOf<keyof typeof s.score>().toEqualTypeOf<'p'>()
      return s
    })
    scored.map((s) => {
      // @ts-expect-error nothing is reused
      return s.reuse
    })
  })

  return scored.map(({ score, route }) => ({ p: score.p, route })).sink('scores')
})

test('what comes out of several models has the type of the last map', () => {
  type Prediction = OutputOf<typeof cardModels, 'predictions'>
  expectTypeOf<Prediction['probability']>().toEqualTypeOf<number>()
  expectTypeOf<Prediction['route']>().toEqualTypeOf<string>()
})
