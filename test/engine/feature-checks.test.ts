import { defineTopology, hours, onnxModel } from 'tidemark'
import { expect, test } from 'vitest'
import type { Definition, FeatureDefinition, FeaturesStep } from '../../src/topology/definition.ts'
import { withModel } from '../support/score-steps.ts'
import { events, faultsOf, good, MODEL } from './good-topology.ts'

// Faults of a feature, told before anything runs.

/** The good topology with one more feature, that its model takes. */
function featured(feature: object): Definition {
  const step = good.then[0] as FeaturesStep
  const name = 'more'
  const then = step.then.map((s) => {
    if (s.op !== 'score') return s
    return withModel(s, { features: [...s.features, name] })
  })
  const features = [...step.features, { name, kind: 0, ...feature } as FeatureDefinition]
  return { ...good, then: [{ ...step, features, then }] }
}

const window = (aggregate: object, lengthMs = 1_000) => ({ from: 'rolling', lengthMs, aggregate })

test.each<[string, Definition, string]>([
  [
    'the event time as a feature',
    featured({ from: 'value', of: (e: { at: number }) => e.at }),
    'TOPOLOGY_INVALID test/features.more: "at" is the event time: a float32 holds it only to the nearest 131 s',
  ],
  [
    'the value of a column that is not there',
    featured({ from: 'value', of: undefined }),
    'TOPOLOGY_INVALID test/features.more: value() of a column that does not exist',
  ],
  [
    'a window over a column that is not there, even where every object has one',
    featured(window({ of: 'sum', column: 'constructor' })),
    'TOPOLOGY_INVALID test/features.more: there is no column "constructor"',
  ],
  [
    'a column used as text and as a number',
    featured(window({ of: 'distinct', column: 'amount' })),
    'TOPOLOGY_INVALID test/features.more: column "amount" is used as a number and as a text',
  ],
  [
    'a column used as a number and as a condition',
    featured(window({ of: 'share', column: 'amount', empty: 0 })),
    'TOPOLOGY_INVALID test/features.more: column "amount" is used as a number and as a condition',
  ],
  [
    'a half-life that is none',
    featured(window({ of: 'decayedSum', column: 'amount', halfLifeMs: 0.5 })),
    'TOPOLOGY_INVALID test/features.more: half-life 0.5 ms must be a whole number above 0',
  ],
  [
    'the last of a text as a feature',
    featured(window({ of: 'last', column: 'shop', cell: 'number', empty: 0 })),
    'TOPOLOGY_INVALID test/features.more: column "shop" is used as a text and as a number or a condition',
  ],
  [
    'a ratio over a column that is not there',
    featured(window({ of: 'ratio', column: 'amount', over: 'items', empty: 0 })),
    'TOPOLOGY_INVALID test/features.more: there is no column "items"',
  ],
  [
    'a ratio over a text',
    featured(window({ of: 'ratio', column: 'amount', over: 'shop', empty: 0 })),
    'TOPOLOGY_INVALID test/features.more: column "shop" is used as a text and as a number',
  ],
  [
    'a text for an empty window',
    featured(window({ of: 'mean', column: 'amount', empty: '0' as never })),
    'TOPOLOGY_INVALID test/features.more: empty must be a number, got string',
  ],
  [
    'a window of no length',
    featured(window({ of: 'count' }, 0)),
    'TOPOLOGY_INVALID test/features.more: window length 0 ms must be a whole number above 0',
  ],
  [
    'a window of half a millisecond',
    featured(window({ of: 'count' }, 0.5)),
    'TOPOLOGY_INVALID test/features.more: window length 0.5 ms must be a whole number above 0',
  ],
  [
    'a quantile that is none',
    featured(window({ of: 'quantile', column: 'amount', empty: 0, q: 95 })),
    'TOPOLOGY_INVALID test/features.more: quantile 95 must lie between 0 and 1',
  ],
  [
    'an earlier event that is none',
    featured({
      ...window({ of: 'previous', column: 'amount', n: 0, cell: 'number', empty: 0 }),
      before: true,
    }),
    'TOPOLOGY_INVALID test/features.more: n 0 must be a whole number from 1',
  ],
  [
    'the change of a text',
    featured({ ...window({ of: 'delta', column: 'shop', empty: 0 }), before: true }),
    'TOPOLOGY_INVALID test/features.more: column "shop" is used as a text and as a number',
  ],
  [
    'a code with a word twice',
    featured({
      from: 'value',
      of: () => 0,
      form: { is: 'code', column: 'shop', words: ['a', 'b', 'a'], unknown: 0 },
    }),
    'TOPOLOGY_INVALID test/features.more: code() has a word twice: a',
  ],
  [
    'a code without words',
    featured({
      from: 'value',
      of: () => 0,
      form: { is: 'code', column: 'shop', words: [], unknown: 0 },
    }),
    'TOPOLOGY_INVALID test/features.more: code() needs a list of texts',
  ],
  [
    'a code with a text in place of words',
    featured({
      from: 'value',
      of: () => 0,
      form: { is: 'code', column: 'shop', words: 'ab', unknown: 0 },
    }),
    'TOPOLOGY_INVALID test/features.more: code() needs a list of texts',
  ],
  [
    'a time zone by its name',
    featured({
      from: 'value',
      of: () => 0,
      form: { is: 'hourOfDay', column: 'seen', offsetMs: 'Europe/Berlin' },
    }),
    'TOPOLOGY_INVALID test/features.more: the offset from UTC must be whole minutes, and less than a day',
  ],
  [
    'an offset of a few milliseconds',
    featured({
      from: 'value',
      of: () => 0,
      form: { is: 'dayOfWeek', column: 'seen', offsetMs: 3 },
    }),
    'TOPOLOGY_INVALID test/features.more: the offset from UTC must be whole minutes, and less than a day',
  ],
  [
    'the hour of a column that is not there',
    featured({
      from: 'value',
      of: undefined as never,
      form: { is: 'hourOfDay', column: 'seen', offsetMs: 0 },
    }),
    'TOPOLOGY_INVALID test/features.more: hourOfDay() of "seen", which is no column',
  ],
  [
    'a cap of nothing',
    featured({ from: 'sinceLastEver', capMs: 0, never: 0 }),
    'TOPOLOGY_INVALID test/features.more: cap 0 must be more than 0',
  ],
  [
    'a foreign table',
    featured({ from: 'lookup', table: 'planes' }),
    'TOPOLOGY_INVALID test/features.more: "planes" is no table of this topology',
  ],
  [
    'a tumbling window of nothing as a feature',
    featured({ from: 'tumbling', which: 'current', lengthMs: 0, aggregate: { of: 'count' } }),
    'TOPOLOGY_INVALID test/features.more: window length 0 ms must be a whole number above 0',
  ],
])('%s', (_, definition, fault) => {
  expect(faultsOf(definition)).toEqual([fault])
})

test('the event time is a feature where the next .derive drops it', () => {
  const topology = defineTopology('test', (t) =>
    events(t)
      .features((f) => ({ at: f.events({}).value((e) => e.at) }))
      .derive({ day: ({ at }) => Math.floor(at / 86_400_000) }, { drop: ['at'] })
      .score(onnxModel({ ...MODEL, features: ['day'] }))
      .sink('out'),
  )
  expect(faultsOf(topology)).toEqual([])
})

test.each([
  [
    'a function',
    (e: { amount: number }) => e.amount > 1,
    'takes the name of a column, got function',
  ],
  ['a strange name', 'large', 'of "large", which is no column'],
])('where() of %s is told for each feature', (_, condition, told) => {
  const topology = defineTopology('test', (t) =>
    events(t)
      .features((f) => {
        const hour = f.events({ amount: (e) => e.amount }).rolling(hours(1))
        return { all: hour.count(), large: hour.where(condition as never).count() }
      })
      .score(onnxModel({ ...MODEL, features: ['all', 'large'] }))
      .sink('out'),
  )
  expect(faultsOf(topology)).toEqual([`TOPOLOGY_INVALID test/features.large: where() ${told}`])
})
