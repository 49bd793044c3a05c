import { defineTopology, minutes, onnxModel, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Definition, FeaturesStep, TumblingStep } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import flightDelay from '../../topologies/flight-delay.ts'
import { withModel } from '../support/score-steps.ts'
import { events, faultsOf, good, MODEL } from './good-topology.ts'

/** The good topology with another source. */
function sourced(other: object, watermark: object = {}): Definition {
  const { source } = good
  return {
    ...good,
    source: { ...source, ...other, watermark: { ...source.watermark, ...watermark } },
  }
}

test.each([
  ['card-fraud', cardFraud],
  ['flight-delay', flightDelay],
  ['the one that each fault here is made of', good],
])('%s has no fault', (_, topology) => {
  expect(faultsOf(topology)).toEqual([])
})

describe('each fault is found', () => {
  test.each<[string, Definition, string]>([
    [
      'a name that is no name',
      { ...good, name: 'a b' },
      'TOPOLOGY_INVALID a b/: name "a b" must match /^[a-zA-Z0-9._-]{1,200}$/',
    ],
    [
      'a negative lag',
      sourced({}, { lagMs: -1 }),
      'TOPOLOGY_INVALID test/in: watermark.lag must be a duration of 0 ms or more, got -1',
    ],
    [
      'no lag',
      sourced({}, { lagMs: undefined }),
      'TOPOLOGY_INVALID test/in: watermark.lag must be a duration of 0 ms or more, got undefined',
    ],
    [
      'a future guard that is no number',
      sourced({}, { maxAheadMs: Number.NaN }),
      "TOPOLOGY_INVALID test/in: watermark.maxAhead must be a duration of 0 ms or more, or 'none', got NaN",
    ],
    [
      'an idleAfter of nothing',
      sourced({}, { idleAfterMs: 0 }),
      'TOPOLOGY_INVALID test/in: watermark.idleAfter 0 must be more than 0',
    ],
    [
      'a key that is no function',
      sourced({ key: 'k' as never }),
      'TOPOLOGY_INVALID test/in: key must be a function of the event, got string',
    ],
    [
      'no event time',
      sourced({ eventTimeMs: undefined as never }),
      'TOPOLOGY_INVALID test/in: eventTimeMs must be a function of the event or "record", got undefined',
    ],
    [
      'an unknown word for what becomes of tombstones',
      sourced({ onTombstone: 'ignore' as never }),
      'TOPOLOGY_INVALID test/in: onTombstone "ignore" must be a function or one of dead-letter, skip',
    ],
    [
      'a schema that is none',
      sourced({ schema: {} as never }),
      'TOPOLOGY_INVALID test/in: schema must be a Standard Schema (zod, valibot, arktype, …)',
    ],
    [
      'an unknown onLate',
      sourced({ onLate: 'ignore' }),
      'TOPOLOGY_INVALID test/in: onLate "ignore" must be one of dead-letter, drop, score',
    ],
    [
      'a topic that Kafka does not take',
      { ...good, deadLetterTopic: 'dead letters' },
      'TOPOLOGY_INVALID test/dead letters: topic "dead letters" must match /^[a-zA-Z0-9._-]{1,200}$/',
    ],
    [
      'outputs into the source',
      sourced({ topic: 'out' }),
      'TOPOLOGY_INVALID test/out: sink "out" is the source: its outputs would come back as events',
    ],
    [
      'outputs among the dead letters',
      { ...good, deadLetterTopic: 'out' },
      'TOPOLOGY_INVALID test/out: sink "out" is the dead-letter topic',
    ],
    [
      'dead letters into the source',
      { ...good, deadLetterTopic: 'in' },
      'TOPOLOGY_INVALID test/in: the dead-letter topic is the source: dead letters would come back',
    ],
    [
      'two tables of one name',
      { ...good, tables: [...good.tables, ...good.tables] },
      'TOPOLOGY_INVALID test/shops: two tables or stores are named "shops"',
    ],
  ])('%s', (_, definition, fault) => {
    expect(faultsOf(definition)).toEqual([fault])
  })

  test('features that are not those of the model, either way', () => {
    const step = good.then[0] as FeaturesStep
    const features = step.features.map((f) => (f.name === 'sum' ? { ...f, name: 'total' } : f))
    expect(faultsOf({ ...good, then: [{ ...step, features }] })).toEqual([
      'TOPOLOGY_INVALID test/m: model m needs sum',
      'TOPOLOGY_INVALID test/m: model m does not take total',
    ])
  })

  test('names of headers to pass on that are none, or that only Tidemark writes', () => {
    const passHeaders = ['tenant', '', 'tidemark-id', '__streams.errors.topic', 1 as never]
    expect(faultsOf({ ...good, source: { ...good.source, passHeaders } })).toEqual([
      'TOPOLOGY_INVALID test/in: passHeaders must be names, got ""',
      'TOPOLOGY_INVALID test/in: passHeaders "tidemark-id" is a name that only Tidemark writes',
      'TOPOLOGY_INVALID test/in: passHeaders "__streams.errors.topic" is a name that only Tidemark writes',
      'TOPOLOGY_INVALID test/in: passHeaders must be names, got 1',
    ])
  })

  test('headers of a sink that are no function', () => {
    const sink = { op: 'sink', name: 'out', topic: 'out', key: null, headers: {} as never } as const
    expect(faultsOf({ ...good, tables: [], then: [sink] })).toEqual([
      'TOPOLOGY_INVALID test/out: headers must be a function of the event, got object',
    ])
  })

  test('a latency budget of nothing', () => {
    const step = good.then[0] as FeaturesStep
    const then = step.then.map((s) => (s.op === 'score' ? { ...s, latencyBudgetMs: 0 } : s))
    expect(faultsOf({ ...good, then: [{ ...step, then }] })).toEqual([
      'TOPOLOGY_INVALID test/m: latencyBudget 0 must be more than 0',
    ])
  })

  test.each<[object | null, string]>([
    [null, 'accuracy must be an object such as { auc: 0.9, rows: 20_000 }, got null'],
    [
      { f1: 0.5, rows: 1 },
      'accuracy has no "f1": it is one of auc, accuracy, macroF1, mae, rmse, and rows',
    ],
    [{ rows: 1 }, 'accuracy must be stated by one of auc, accuracy, macroF1, mae, rmse, got none'],
    [
      { auc: 0.5, rmse: 1, rows: 1 },
      'accuracy must be stated by one of auc, accuracy, macroF1, mae, rmse, got auc and rmse',
    ],
    [{ auc: 1.5, rows: 1 }, 'accuracy.auc must be a number from 0 to 1, got 1.5'],
    [{ auc: '1', rows: 1 }, 'accuracy.auc must be a number from 0 to 1, got "1"'],
    [{ mae: -1, rows: 1 }, 'accuracy.mae must be a number from 0 on, got -1'],
    [{ rmse: 70, rows: 0 }, 'accuracy.rows must be a whole number above 0, got 0'],
    [{ rmse: 70 }, 'accuracy.rows must be a whole number above 0, got undefined'],
  ])('a model that states its accuracy as %j', (accuracy, fault) => {
    const step = good.then[0] as FeaturesStep
    const then = step.then.map((s) =>
      s.op === 'score' ? withModel(s, { accuracy: accuracy as never }) : s,
    )
    expect(faultsOf({ ...good, then: [{ ...step, then }] })).toEqual([
      `TOPOLOGY_INVALID test/m: m@1: ${fault}`,
    ])
  })

  test('windows over scores', () => {
    const count = onnxModel({ ...MODEL, features: ['count'] })
    const twice = defineTopology('twice', (t) =>
      events(t)
        .features((f) => ({ count: f.events({}).rolling(minutes(1)).count() }))
        .score(count)
        .features((f) => ({ count: f.events({}).rolling(minutes(1)).count() }))
        .score(count)
        .sink('out'),
    )
    expect(faultsOf(twice)).toEqual(['NOT_SUPPORTED twice/features-2: windows over scores'])
    const hint = validateTopology(twice)[0]?.hint
    expect(hint).toContain('with the same key and as many partitions')
    expect(hint).toContain('otherwise many events of a backlog are late')
  })
})

describe('a fault of tumbling windows is found', () => {
  const step: TumblingStep = {
    op: 'tumbling',
    name: 'tumbling',
    lengthMs: 60_000,
    graceMs: 0,
    emit: 'final',
    columns: { amount: (e) => (e as { amount: number }).amount },
    aggregates: { spent: { of: 'sum', column: 'amount' } },
    then: [{ op: 'sink', name: 'out', topic: 'out', key: null }],
  }
  const around = (other: Partial<TumblingStep>): Definition => ({
    ...good,
    tables: [],
    then: [{ ...step, ...other }],
  })
  const [overWindows] = good.then as [FeaturesStep]

  test('a good one has none', () => {
    expect(faultsOf(around({}))).toEqual([])
    expect(faultsOf(around({ then: [overWindows] }))).toEqual([])
  })

  test.each<[string, Partial<TumblingStep>, string]>([
    ['no length', { lengthMs: 0 }, 'tumbling: window length 0 ms must be a whole number above 0'],
    [
      'a negative grace',
      { graceMs: -1 },
      'tumbling: grace -1 ms must be a whole number, not negative',
    ],
    [
      'an unknown emit',
      { emit: 'often' as never },
      'tumbling: emit "often" must be one of final, early',
    ],
    [
      'a field that every result has',
      { aggregates: { key: { of: 'count' } } },
      'tumbling.key: every result has a field "key" already',
    ],
    [
      'a column that is not there',
      { aggregates: { n: { of: 'distinct', column: 'shop' } } },
      'tumbling.n: there is no column "shop"',
    ],
  ])('%s', (_, other, fault) => {
    expect(faultsOf(around(other))).toEqual([`TOPOLOGY_INVALID test/${fault}`])
  })

  test('tumbling windows over tumbling windows', () => {
    expect(faultsOf(around({ then: [{ ...step, name: 'second' }] }))).toEqual([
      'NOT_SUPPORTED test/second: tumbling windows over tumbling windows',
    ])
  })

  test('windows over early results', () => {
    expect(faultsOf(around({ emit: 'early', then: [overWindows] }))).toEqual([
      'NOT_SUPPORTED test/features: windows over early results, which repeat with every event',
    ])
  })
})

test('the aggregates of a tumbling stream are looked at as those of features are', () => {
  const tumbling = defineTopology('test', (t) =>
    events(t)
      .tumbling(minutes(1))
      .aggregate({ amount: (e) => e.amount, shop: (e) => e.shop }, (a) => ({
        first: a.first('shop'),
        shops: a.distinct('shop'),
        p: a.quantile('amount', 2),
        lately: a.decayedSum('amount', minutes(-1)),
        spent: a.sum('shop' as never),
        more: a.max('more' as never),
      }))
      .sink('out'),
  )
  expect(faultsOf(tumbling)).toEqual([
    'TOPOLOGY_INVALID test/tumbling.p: quantile 2 must lie between 0 and 1',
    'TOPOLOGY_INVALID test/tumbling.lately: half-life -60000 ms must be a whole number above 0',
    'TOPOLOGY_INVALID test/tumbling.spent: column "shop" is used as a text and as a number',
    'TOPOLOGY_INVALID test/tumbling.more: there is no column "more"',
  ])
})

test('every fault is told at once', () => {
  const tumbling = defineTopology('a b', (t) =>
    events(t)
      .tumbling(minutes(1), { grace: seconds(-1) })
      .aggregate({ amount: (e) => e.amount }, (a) => ({ spent: a.sum('amount') }))
      .sink('out'),
  )
  const { source } = tumbling
  const watermark = { ...source.watermark, lagMs: -1, idleAfterMs: 0 }
  expect(faultsOf({ ...tumbling, source: { ...source, watermark } })).toEqual([
    expect.stringContaining('TOPOLOGY_INVALID a b/: name "a b" must match'),
    'TOPOLOGY_INVALID a b/in: watermark.lag must be a duration of 0 ms or more, got -1',
    'TOPOLOGY_INVALID a b/in: watermark.idleAfter 0 must be more than 0',
    'TOPOLOGY_INVALID a b/tumbling: grace -1000 ms must be a whole number, not negative',
  ])
})
