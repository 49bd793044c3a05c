import { defineTopology, minutes, onnxModel, rule, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Definition, MapStep, Step } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'
import { withTrainingRows } from '../../src/topology/training-rows.ts'

const Order = z.object({ id: z.string(), shop: z.string(), amount: z.number(), at: z.number() })
const risk = rule({ outputs: ['risk'] }, (f: { amount: number }) => ({ risk: f.amount }))
const RISK = { models: { risk }, otherwise: 'risk' } as const
const OPTIONS = {
  schema: Order,
  key: (o: { shop: string }) => o.shop,
  eventTimeMs: (o: { at: number }) => o.at,
  watermark: { lag: seconds(1) },
  onLate: 'drop',
} as const

/** The names of the steps, indented below what they follow. */
function drawn(then: readonly Step[], depth = 0): string[] {
  return then.flatMap((step) => [
    `${' '.repeat(depth)}${step.name}`,
    ...drawn('then' in step ? step.then : [], depth + 1),
  ])
}

function rowsOf(definition: Definition, given: object, step = 'score-row'): unknown {
  const map = [...stepsOf(definition.then)].find(({ name }) => name === step)
  return (map as MapStep).to(given)
}

test('a row takes the place of the model and of all that follows it', () => {
  const topology = defineTopology('orders', (t) =>
    t
      .source('orders', OPTIONS)
      .where((o) => o.amount > 0)
      .features((f) => {
        const all = f.events({ amount: (o) => o.amount })
        return { amount: all.value('amount') }
      })
      .score(RISK)
      .map((s) => ({ risk: s.score.risk }))
      .sink('risks'),
  )
  const { definition, features } = withTrainingRows(topology, ['id', 'none', 'eventTime2'])
  expect(drawn(definition.then)).toEqual(['where', ' features', '  score-row', '   rows'])
  expect(features).toEqual(new Map([['rows', ['amount']]]))
  const event = { id: 'a', shop: 's', amount: 2, at: 7 }
  expect(rowsOf(definition, { event, features: { amount: Number.NaN } })).toEqual({
    ...{ eventTime: 7, id: 'a', none: null, eventTime2: null },
    amount: Number.NaN,
  })
})

test('a row has every feature, whichever of them the present models take', () => {
  const modelOf = (name: string, features: readonly string[]) =>
    onnxModel({
      ...{ name, features, version: '1', sha256: '', input: 'x' },
      file: new URL(`file:///${name}`),
      outputs: { risk: { tensor: 'risk', column: 0 } },
    })
  const rowsWith = (...given: readonly unknown[]) => {
    const topology = defineTopology('orders', (t) => {
      const featured = t
        .source('orders', OPTIONS)
        .features((f) => {
          const all = f.events({ amount: (o) => o.amount })
          const old = all.value('amount')
          return { other: old, renamed: old, added: old, left: old }
        })
        .derive({ derived: ({ other }) => 2 * other }, { drop: ['left'] })
      // Types refuse a model that does not fit, but a worker does not check types.
      return featured.score(...(given as readonly [never, never])).sink('risks')
    })
    const { definition, features } = withTrainingRows(topology, [])
    const step = [...stepsOf(definition.then)].find(({ op }) => op === 'map') as MapStep
    const all = { other: 1, renamed: 2, added: 3, derived: 4 }
    const row = rowsOf(definition, { event: { at: 7 }, features: all }, step.name)
    expect(row).toEqual({ eventTime: 7, ...all })
    return features.get('rows')
  }
  const all = ['other', 'renamed', 'added', 'derived']
  const old = modelOf('old', ['before', 'other'])
  const derived = modelOf('derived', ['derived'])
  expect(rowsWith(old)).toEqual(all)
  expect(rowsWith(old, { carry: ['added'] })).toEqual(all)
  expect(rowsWith({ models: { old, derived }, otherwise: 'old' })).toEqual(all)
  expect(rowsWith({ variants: [derived, old], budget: seconds(1) })).toEqual(all)
})

test('each path to a model has rows of its own, and a path without features none', () => {
  const topology = defineTopology('orders', (t) => {
    const orders = t.source('orders', OPTIONS)
    const scored = () =>
      orders
        .features((f) => ({ amount: f.events({ amount: (o) => o.amount }).value('amount') }))
        .score(RISK)
        .map((s) => ({ risk: s.score.risk }))
    const windows = orders
      .tumbling(minutes(1))
      .aggregate({ amount: (o) => o.amount }, (a) => ({ spent: a.sum('amount') }))
    return [
      scored().sink('as'),
      scored().sink('bs'),
      orders.map((o) => ({ id: o.id })).sink('ids'),
      windows
        .features((f) => ({ spent: f.events({ spent: (w) => w.spent }).value('spent') }))
        .map((w) => w)
        .sink('spent'),
    ]
  })
  const { definition, features } = withTrainingRows(topology, [])
  const amount = ['amount']
  const expected = { 'rows-score': amount, 'rows-score-2': amount, 'rows-features-3': ['spent'] }
  expect(Object.fromEntries(features)).toEqual(expected)
  expect(drawn(definition.then).join('\n')).not.toContain('ids')
  const given = { event: { windowEndMs: 60_000 }, features: { spent: 3 } }
  expect(rowsOf(definition, given, 'features-3-row')).toEqual({ eventTime: 59_999, spent: 3 })
})

test('a topology without features, or with a time that is not in the event alone, has no rows', () => {
  const plain = defineTopology('plain', (t) =>
    t
      .source('orders', OPTIONS)
      .map((o) => ({ id: o.id }))
      .sink('ids'),
  )
  const timed = defineTopology('timed', (t) =>
    t
      .source('orders', { ...OPTIONS, eventTimeMs: 'record' })
      .map((o) => ({ id: o.id }))
      .sink('ids'),
  )
  for (const topology of [plain, timed]) {
    const refused = () => withTrainingRows(topology, [])
    expect(refused).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }))
  }
})
