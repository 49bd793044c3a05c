import { expect, test } from 'vitest'
import { type Description, describe } from '../../src/engine/describe.ts'
import type { Aggregate } from '../../src/topology/aggregates.ts'
import {
  type EventFunction,
  type FeatureDefinition,
  type FeaturesStep,
  TOPOLOGY,
} from '../../src/topology/definition.ts'
import { modelStep } from '../support/score-steps.ts'

const model = {
  name: 'm',
  version: '2',
  file: new URL('file:///m.onnx'),
  sha256: 'ab',
  input: 'x',
  features: ['amount'],
  outputs: { p: { tensor: 'p', column: 0 } },
}

/** A function whose source text no loader rewrites. */
function fn<R>(text: string): EventFunction<R> {
  return Object.assign(() => undefined as R, { toString: () => text })
}

const rolling = (name: string, kind: number, aggregate: Aggregate): FeatureDefinition => ({
  name,
  from: 'rolling',
  kind,
  lengthMs: 60_000,
  aggregate,
})

const features: FeaturesStep = {
  op: 'features',
  name: 'features',
  kinds: [
    { is: null, columns: { amount: fn('(e) => e.amount') } },
    { is: fn('(e) => e.kind === 2'), columns: { shop: fn('(e) => e.shop') } },
    { is: null, has: 'tip', columns: { tip: fn('(e) => e.tip') } },
  ],
  features: [
    { name: 'amount', from: 'value', kind: 0, of: fn('(e) => e.amount') },
    rolling('count', 0, { of: 'count' }),
    rolling('sum', 0, { of: 'sum', column: 'amount' }),
    rolling('mean', 0, { of: 'mean', column: 'amount', empty: Number.NaN }),
    rolling('median', 0, { of: 'quantile', column: 'amount', q: 0.5, empty: -1 }),
    rolling('shape', 0, { of: 'skewness', column: 'amount', empty: 0 }),
    rolling('tails', 0, { of: 'kurtosis', column: 'amount', empty: Number.NaN }),
    rolling('lately', 0, { of: 'decayedSum', column: 'amount', halfLifeMs: 5_000 }),
    rolling('rate', 0, { of: 'rate' }),
    rolling('each', 0, { of: 'ratio', column: 'amount', over: 'items', empty: 0 }),
    rolling('shops', 1, { of: 'distinct', column: 'shop' }),
    { name: 'since', from: 'sinceLastEver', kind: 1, capMs: 1_000, never: Number.NaN },
    { name: 'sinceEver', from: 'sinceLastEver', kind: 0, capMs: null, never: 0 },
    {
      name: 'seats',
      from: 'lookup',
      kind: 0,
      table: 'planes',
      key: fn('(e) => e.tail'),
      of: fn('(p) => p.seats'),
    },
  ],
  then: [
    modelStep(model, {
      missing: 'nan',
      then: [
        {
          op: 'where',
          name: 'where',
          keep: fn('(s) => s.p > 0.5'),
          then: [{ op: 'sink', name: 'out', topic: 'alerts', key: null }],
        },
        { op: 'sink', name: 'all', topic: 'all', key: fn('(s) => s.id') },
      ],
    }),
  ],
}

const description = describe({
  [TOPOLOGY]: true,
  name: 'test',
  version: '7',
  source: {
    topic: 'in',
    format: { is: 'json' },
    schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
    key: fn('(e) => e.k'),
    eventTimeMs: fn('(e) => e.at'),
    watermark: { lagMs: 1_000, idleAfterMs: null, maxAheadMs: 300_000 },
    onLate: 'drop',
    onTombstone: 'skip',
    partitioner: 'crc32',
    keyMismatch: 'warn',
  },
  stores: [],
  deadLetterTopic: 'in.dlq',
  tables: [
    {
      name: 'planes',
      schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
      key: fn('(p) => p.tail'),
      format: { is: 'json' },
      asOf: null,
      from: { file: new URL('file:///planes.ndjson') },
    },
  ],
  then: [features],
})

test('a description is whole as JSON', () => {
  expect(JSON.parse(JSON.stringify(description))).toEqual(description)
})

test('a description shows everything that decides an output', () => {
  expect(description).toEqual({
    name: 'test',
    version: '7',
    source: {
      topic: 'in',
      format: { is: 'json' },
      key: '(e) => e.k',
      eventTimeMs: '(e) => e.at',
      watermark: { lagMs: 1_000, idleAfterMs: null, maxAheadMs: 300_000 },
      onLate: 'drop',
      onTombstone: 'skip',
      partitioner: 'crc32',
      keyMismatch: 'warn',
    },
    deadLetterTopic: 'in.dlq',
    tables: [{ name: 'planes', key: '(p) => p.tail', file: '/planes.ndjson' }],
    first: ['features'],
    steps: [
      {
        name: 'features',
        op: 'features',
        detail: {
          kinds: [
            { is: 'every event', columns: { amount: '(e) => e.amount' } },
            { is: '(e) => e.kind === 2', columns: { shop: '(e) => e.shop' } },
            { is: 'every event', has: 'tip', columns: { tip: '(e) => e.tip' } },
          ],
          features: {
            amount: 'value (e) => e.amount of kind 0',
            count: 'count() over the last 60000 ms of kind 0',
            sum: 'sum(amount) over the last 60000 ms of kind 0',
            mean: 'mean(amount, empty: NaN) over the last 60000 ms of kind 0',
            median: 'quantile(amount, 0.5, empty: -1) over the last 60000 ms of kind 0',
            shape: 'skewness(amount, empty: 0) over the last 60000 ms of kind 0',
            tails: 'kurtosis(amount, empty: NaN) over the last 60000 ms of kind 0',
            lately: 'decayedSum(amount, half-life 5000 ms) over the last 60000 ms of kind 0',
            rate: 'rate() over the last 60000 ms of kind 0',
            each: 'ratio(amount, items, empty: 0) over the last 60000 ms of kind 0',
            shops: 'distinct(shop) over the last 60000 ms of kind 1',
            since: 'seconds since the last of kind 1, at most 1000 ms, never: NaN',
            sinceEver: 'seconds since the last of kind 0, never: 0',
            seats: '(p) => p.seats of table planes at (e) => e.tail of kind 0',
          },
        },
        feeds: ['m'],
      },
      {
        name: 'm',
        op: 'score',
        detail: {
          model: 'm@2',
          sha256: 'ab',
          features: ['amount'],
          outputs: { p: { tensor: 'p', column: 0 } },
          missing: 'nan',
          latencyBudgetMs: 50,
        },
        feeds: ['where', 'all'],
      },
      { name: 'where', op: 'where', detail: { keep: '(s) => s.p > 0.5' }, feeds: ['out'] },
      { name: 'out', op: 'sink', detail: { topic: 'alerts', key: 'of the source' }, feeds: [] },
      { name: 'all', op: 'sink', detail: { topic: 'all', key: '(s) => s.id' }, feeds: [] },
    ],
  } satisfies Description)
})
