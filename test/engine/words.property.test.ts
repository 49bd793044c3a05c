import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type {
  EventFunction,
  FeatureSource,
  FeaturesStep,
  KindDefinition,
} from '../../src/topology/definition.ts'
import { runs } from '../support/runs.ts'
import { arrivals, START_MS } from './arbitraries.ts'
import { engineRows } from './engine-rows.ts'
import { naiveFeatures } from './oracle/naive-features.ts'

// Each word for features of the event beside those before it, and of the event itself, against the
// oracle: cells by the hundred thousand, of events with ties, out of order, huge and missing.

interface Sample {
  readonly kind: string
  readonly amount: number
  readonly shop: string
  readonly online: boolean
}

function on<R>(of: (event: Sample) => R): EventFunction<R> {
  return of as EventFunction<R>
}

const COLUMNS: KindDefinition['columns'] = {
  amount: on((e) => e.amount),
  large: on((e) => e.amount > 3),
  huge: on((e) => e.amount * 1e29),
}
/** Some events have none, and some NaN. */
const TIP = on((e) => (e.shop === '' ? Number.NaN : e.online ? e.amount : undefined) as number)
const SOLD = { column: 'sold', of: on((e) => e.kind === 'sale'), isOptional: false }

/** All events; those of a condition; those with a tip; those with a tip of a condition. */
const KINDS: readonly KindDefinition[] = [
  { is: null, columns: COLUMNS },
  { is: null, where: SOLD, columns: COLUMNS },
  { is: null, has: 'tip', columns: { tip: TIP } },
  { is: null, has: 'tip', where: SOLD, columns: { tip: TIP } },
]
const LENGTHS_MS = [1, 1_000, 10_000, 300_000]
const empty = -7

function rolling(kind: number, aggregate: object, before: boolean): FeatureSource[] {
  return LENGTHS_MS.map((lengthMs) => {
    const window = { from: 'rolling', kind, lengthMs, aggregate } as const
    return (before ? { ...window, before } : window) as FeatureSource
  })
}

const numberOf = (kind: number) => (kind < 2 ? 'amount' : 'tip')
const kinds = [0, 1, 2, 3]

/** Features by word. */
const WORDS: Readonly<Record<string, readonly FeatureSource[]>> = {
  before: kinds.flatMap((kind) => [
    ...rolling(kind, { of: 'count' }, true),
    ...rolling(kind, { of: 'max', column: numberOf(kind), empty }, true),
    ...rolling(kind, { of: 'last', column: numberOf(kind), cell: 'number', empty }, true),
  ]),
  previous: kinds.flatMap((kind) =>
    [1, 2, 70].flatMap((n) =>
      rolling(kind, { of: 'previous', column: numberOf(kind), n, cell: 'number', empty }, true),
    ),
  ),
  delta: [
    ...kinds.flatMap((kind) => rolling(kind, { of: 'delta', column: numberOf(kind), empty }, true)),
    ...rolling(0, { of: 'delta', column: 'huge', empty: Number.NaN }, true),
  ],
  where: [1, 3].flatMap((kind) => [
    ...rolling(kind, { of: 'count' }, false),
    ...rolling(kind, { of: 'min', column: numberOf(kind), empty }, false),
    ...LENGTHS_MS.map((lengthMs) => ({ from: 'sinceLast', kind, lengthMs, empty }) as const),
  ]),
  code: [
    ['s2', 's1'],
    ['', 's\u00fcd', 's4', 's3'],
  ].flatMap((words) =>
    [-1, Number.NaN].map((unknown) => ({
      ...({ from: 'value', kind: 0 } as const),
      of: on((e) => e.shop as unknown as number),
      form: { is: 'code' as const, column: 'shop', words, unknown },
    })),
  ) satisfies readonly FeatureSource[],
  'hourOfDay and dayOfWeek': (['hourOfDay', 'dayOfWeek'] as const).flatMap((is) =>
    [0, 3_600_000, -19_800_000].map((offsetMs) => ({
      ...({ from: 'value', kind: 0 } as const),
      of: on((e) => Math.floor(e.amount * 1e7)),
      form: { is, column: 'amount', offsetMs },
    })),
  ) satisfies readonly FeatureSource[],
}

const CELLS = runs(5) === 5 ? 500_000 : 20_000
const MOST_EVENTS = 300

test.each(Object.keys(WORDS))('%s: every cell has the bits of the oracle', (word) => {
  const step: FeaturesStep = {
    ...{ op: 'features', name: 'features', kinds: KINDS, then: [] },
    features: (WORDS[word] ?? []).map((source, i) => ({ name: `f${i}`, ...source })),
  }
  let cells = 0
  const lagMs = 1_000
  const run = fc.tuple(arrivals(lagMs, MOST_EVENTS), fc.integer({ min: 1, max: 60 }))
  fc.assert(
    fc.property(run, ([events, chunk]) => {
      const options = { lagMs, onLate: 'score', lookup: () => new Map() } as const
      cells += events.length * step.features.length
      const given = { step, options, events }
      expect(engineRows(given, chunk)).toEqual(naiveFeatures(step, options, events))
    }),
    { numRuns: Math.ceil((3 * CELLS) / (MOST_EVENTS * step.features.length)) },
  )
  expect(cells).toBeGreaterThan(CELLS)
})

test('previous reaches back over hundreds of events of a key', () => {
  const reaches = [1, 255, 256, 257, 500]
  const step: FeaturesStep = {
    ...{ op: 'features', name: 'features', kinds: KINDS, then: [] },
    features: reaches.map((n) => {
      const aggregate = { of: 'previous', column: 'amount', n, cell: 'number', empty } as const
      const window = { from: 'rolling', kind: 0, lengthMs: 300_000, before: true } as const
      return { name: `f${n}`, ...window, aggregate }
    }),
  }
  const options = { lagMs: 1_000, onLate: 'score', lookup: () => new Map() } as const
  const shuffles = fc.tuple(fc.array(fc.nat(900), { minLength: 7, maxLength: 7 }), fc.nat(200))
  fc.assert(
    fc.property(shuffles, ([backMs, chunk]) => {
      const events = Array.from({ length: 600 }, (_, i) => ({
        key: 'k',
        timeMs: START_MS + i * 3 - (backMs[i % backMs.length] as number),
        event: { kind: 'sale', amount: i, shop: 's', online: true },
      }))
      const given = { step, options, events }
      expect(engineRows(given, chunk + 1)).toEqual(naiveFeatures(step, options, events))
    }),
    { numRuns: runs(1) },
  )
})
