import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { Definition, FeaturesStep, Step } from '../../src/topology/definition.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { withModel } from '../support/score-steps.ts'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { topologyAround } from './engine-rows.ts'
import { whole } from './whole.ts'

const T = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

type Feature = FeaturesStep['features'][number] extends infer F
  ? F extends FeaturesStep['features'][number]
    ? Omit<F, 'name' | 'kind'>
    : never
  : never

interface Sale {
  readonly amount?: unknown
  readonly shop?: unknown
  readonly skip?: boolean
}

const amountOf = (e: unknown) => (e as Sale).amount as number
const count: Feature = { from: 'rolling', lengthMs: 10_000, aggregate: { of: 'count' } }
const sum: Feature = {
  from: 'rolling',
  lengthMs: 10_000,
  aggregate: { of: 'sum', column: 'amount' },
}
const sinceLast = (lengthMs: number, empty: number): Feature => ({
  from: 'sinceLast',
  lengthMs,
  empty,
})
const sinceLastEver = (capMs: number | null, never: number): Feature => ({
  from: 'sinceLastEver',
  capMs,
  never,
})

interface Options {
  readonly onLate?: OnLate
  readonly lagMs?: number
  readonly maxAheadMs?: number | 'none'
}

/** A topology of one features step with a model that takes them all. */
function topology(features: readonly Feature[], options: Options = {}): Definition {
  const { onLate = 'dead-letter', lagMs = 0, maxAheadMs = 'none' } = options
  const step: FeaturesStep = {
    op: 'features',
    name: 'features',
    kinds: [{ is: null, columns: { amount: amountOf, shop: (e) => (e as Sale).shop as string } }],
    features: features.map((f, i) => ({ name: `f${i}`, kind: 0, ...f })),
    then: [],
  }
  const around = topologyAround(step, { lagMs, onLate })
  const watermark = { ...around.source.watermark, maxAheadMs }
  return { ...around, source: { ...around.source, watermark } }
}

type Arrival = readonly [key: string, atMs: number, event?: Sale]

/**
 * Takes events, their times relative to T, and tells what came of each: its row, its fault's code,
 * or nothing.
 */
function run(engine: Engine, events: readonly Arrival[]) {
  const given = events.map(([key, atMs, event = { amount: 1, shop: 's' }]) => {
    return { key, timeMs: T + atMs, recordTimeMs: T, event }
  })
  const result = whole(engine.process(batchOf(engine, given)))
  const told: (number[] | string | null)[] = events.map(() => null)
  for (const { indices, rows } of result.arrivals) {
    const width = rows.length / indices.length
    for (const [r, index] of indices.entries()) {
      told[index] = [...rows.subarray(r * width, (r + 1) * width)]
    }
  }
  for (const { of, error } of result.faults) told[of as number] = error.code
  return { told, result }
}

function tell(features: readonly Feature[], events: readonly Arrival[], options: Options = {}) {
  return run(engineFor(topology(features, options)), events).told
}

describe('a rolling window (t − W, t]', () => {
  test('leaves out what is exactly W old, and holds what is 1 ms younger', () => {
    expect(
      tell(
        [count],
        [
          ['a', 0],
          ['a', 9_999],
          ['a', 10_000],
          ['a', 10_001],
        ],
      ),
    ).toEqual([[1], [2], [2], [3]])
  })

  test('holds earlier arrivals of the same time, the event itself among them', () => {
    expect(
      tell(
        [count],
        [
          ['a', 5],
          ['a', 5],
          ['a', 5],
        ],
      ),
    ).toEqual([[1], [2], [3]])
  })

  test('of an event out of order ends at its own time, and later events see it', () => {
    const events: Arrival[] = [
      ['a', 0, { amount: 1 }],
      ['a', 500, { amount: 2 }],
      ['a', 200, { amount: 4 }],
      ['a', 600, { amount: 8 }],
    ]
    expect(tell([sum], events, { lagMs: 1_000 })).toEqual([[1], [3], [5], [15]])
  })

  test('is kept by key', () => {
    expect(
      tell(
        [count],
        [
          ['a', 0],
          ['b', 0],
          ['a', 1],
        ],
      ),
    ).toEqual([[1], [1], [2]])
  })
})

describe('a late event', () => {
  const events: Arrival[] = [
    ['a', 1_000],
    ['a', 0],
    ['a', 1_500],
  ]

  test('is set aside, once, and enters no window', () => {
    expect(tell([count], events)).toEqual([[1], 'LATE', [2]])
  })

  test('is only counted where onLate is drop', () => {
    const engine = engineFor(topology([count], { onLate: 'drop' }))
    const { told: rows, result } = run(engine, events)
    expect(rows).toEqual([[1], null, [2]])
    expect(result.late).toEqual([{ step: 'features', indices: [1] }])
  })

  test('is scored on the windows as they are where onLate is score, and enters none', () => {
    const more: Arrival[] = [
      ['a', 0],
      ['a', 1_000],
      ['a', 500],
      ['a', 1_500],
    ]
    expect(tell([count], more, { onLate: 'score' })).toEqual([[1], [2], [1], [3]])
  })
})

test('an event too far ahead of its record is set aside, moves no watermark and enters no window', () => {
  const engine = engineFor(topology([count], { maxAheadMs: 60_000 }))
  const events: Arrival[] = [
    ['a', 0],
    ['a', 60_001],
    ['a', 1],
  ]
  expect(run(engine, events).told).toEqual([[1], 'FUTURE', [2]])
  expect(engine.watermark.nowMs).toBe(T + 1)
})

const own = (of: (e: unknown) => unknown): Feature => ({ from: 'value', of: of as never })
const distinct: Feature = {
  from: 'rolling',
  lengthMs: 10_000,
  aggregate: { of: 'distinct', column: 'shop' },
}

describe('an event that cannot be read enters no window', () => {
  test.each<[string, Sale, string]>([
    ['text where a number is wanted', { amount: '12', shop: 's' }, 'COLUMN_INVALID'],
    ['NaN in a column', { amount: Number.NaN, shop: 's' }, 'COLUMN_INVALID'],
    ['nothing in a column', { shop: 's' }, 'COLUMN_INVALID'],
    ['a number that no float32 can hold', { amount: 1e39, shop: 's' }, 'COLUMN_INVALID'],
    ['a number where text is wanted', { amount: 1, shop: 7 }, 'COLUMN_INVALID'],
  ])('%s', (_, event, code) => {
    const all: Arrival[] = [
      ['a', 0],
      ['a', 1, event],
      ['a', 2],
    ]
    expect(tell([sum, distinct], all)).toEqual([[1, 1], code, [2, 1]])
  })
})

describe('an event whose own row comes to nothing enters its windows all the same', () => {
  test.each<[string, (e: unknown) => unknown, string]>([
    ['null, which would become 0', () => null, 'COLUMN_INVALID'],
    ['text, which would become its number', () => '12', 'COLUMN_INVALID'],
    [
      'an error',
      () => {
        throw new Error('no')
      },
      'FUNCTION_THREW',
    ],
  ])('a feature of its own that gives %s', (_, of, code) => {
    const features = [own((e) => ((e as Sale).skip ? of(e) : 0)), count]
    const all: Arrival[] = [
      ['a', 0],
      ['a', 1, { skip: true }],
      ['a', 2],
    ]
    expect(tell(features, all)).toEqual([[0, 1], code, [0, 3]])
  })
})

test('an infinite feature reaches no model, also not one that takes missing values', () => {
  const infinite: Feature = { from: 'value', of: () => Number.POSITIVE_INFINITY }
  expect(tell([infinite], [['a', 0]])).toEqual(['FEATURE_NOT_FINITE'])
})

describe('a fault', () => {
  test('the message names the column and not what it holds', () => {
    const engine = engineFor(topology([sum, distinct]))
    const { result } = run(engine, [
      ['a', 0, { amount: 'secret', shop: 's' }],
      ['a', 0, { amount: 1, shop: 4417 }],
      ['a', 0, { amount: Number.POSITIVE_INFINITY, shop: 's' }],
      ['a', 0, { amount: -1e39, shop: 's' }],
    ])
    expect(result.faults.map((f) => f.error.message)).toEqual([
      'column "amount" must be a number, got string',
      'column "shop" must be a string, got number',
      'column "amount" must be a number, got Infinity',
      'column "amount" must be a number, got one that no float32 can hold',
    ])
  })
})

test('a missing value reaches only a model that takes it', () => {
  const nan: Feature = { from: 'value', of: () => Number.NaN }
  const definition = topology([nan])
  const strict = definition.then.map((step) =>
    step.op === 'features'
      ? { ...step, then: step.then.map((s) => ({ ...s, missing: 'refuse' }) as Step) }
      : step,
  )
  expect(run(engineFor(definition), [['a', 0]]).told).toEqual([[Number.NaN]])
  const refusing = engineFor({ ...definition, then: strict })
  expect(run(refusing, [['a', 0]]).told).toEqual(['FEATURE_NOT_FINITE'])
})

test('each model behind the windows gets the events its way lets through, in its own order of features', () => {
  const definition = topology([count, sum])
  const step = definition.then[0] as FeaturesStep
  const score = step.then[0] as Extract<Step, { op: 'score' }>
  const second: Step = { ...withModel(score, { features: ['f1', 'f0'] }), name: 'second' }
  const keep = (e: unknown) => amountOf(e) > 1
  const where: Step = { op: 'where', name: 'where', keep, then: [second] }
  const engine = engineFor({ ...definition, then: [{ ...step, then: [score, where] }] })
  const { result } = run(engine, [
    ['a', 0, { amount: 1 }],
    ['a', 1, { amount: 5 }],
  ])
  expect(result.arrivals.map((a) => [a.step.name, a.indices, [...a.rows]])).toEqual([
    ['m', [0, 1], [1, 1, 2, 6]],
    ['second', [1], [6, 2]],
  ])
})

test('what a where leaves out before the windows enters none, but moves the watermark', () => {
  const definition = topology([count])
  const keep = (e: unknown) => (e as Sale).skip !== true
  const then: Step[] = [{ op: 'where', name: 'where', keep, then: definition.then }]
  const engine = engineFor({ ...definition, then })
  const events: Arrival[] = [
    ['a', 0],
    ['a', 500, { skip: true }],
    ['a', 400],
    ['a', 600],
  ]
  expect(run(engine, events).told).toEqual([[1], null, 'LATE', [2]])
})

test('a step of the author that throws sets aside its event alone, under its name', () => {
  const definition = topology([count])
  const to = (e: unknown) => {
    if ((e as Sale).skip) throw new TypeError('no')
    return e
  }
  const then: Step[] = [{ op: 'map', name: 'map', to, then: definition.then }]
  const engine = engineFor({ ...definition, then })
  const { told: rows, result } = run(engine, [
    ['a', 0],
    ['a', 1, { skip: true }],
    ['a', 2],
  ])
  expect(rows).toEqual([[1], 'FUNCTION_THREW', [2]])
  expect(result.faults.map((f) => [f.step, f.error.message])).toEqual([
    ['map', 'step "map" threw TypeError'],
  ])
})

describe('keys that have gone silent', () => {
  /**
   * A hundred keys at T, then enough events of another key later for all of them to be looked at.
   */
  function afterSilence(features: readonly Feature[], silentMs: number): Engine {
    const engine = engineFor(topology(features))
    run(
      engine,
      Array.from({ length: 100 }, (_, i): Arrival => [`k${i}`, 0]),
    )
    run(
      engine,
      Array.from({ length: 200 }, (): Arrival => ['x', silentMs]),
    )
    return engine
  }

  test('leave memory soon after the watermark has passed their windows, never before', () => {
    expect(afterSilence([count], 9_999).use.keys).toBe(101)
    expect(afterSilence([count], 11_000).use.keys).toBe(1)
  })

  test('leave it soon after the watermark has passed the window of secondsSinceLast', () => {
    expect(afterSilence([count, sinceLast(60_000, 60)], 59_999).use.keys).toBe(101)
    expect(afterSilence([count, sinceLast(60_000, 60)], 63_750).use.keys).toBe(1)
  })

  test('are remembered for ever by secondsSinceLastEver', () => {
    for (const capMs of [null, 60_000]) {
      const engine = afterSilence([count, sinceLastEver(capMs, 60)], 60_000)
      expect(engine.use.keys).toBe(101)
      const seconds = (capMs ?? 2 * DAY_MS) / 1_000
      expect(run(engine, [['k7', 2 * DAY_MS]]).told).toEqual([[1, seconds]])
    }
  })
})

describe('secondsSinceLast', () => {
  test('is empty for a first event, 0 for one of the same time, and knows nothing before its window', () => {
    const events: Arrival[] = [
      ['a', 0],
      ['a', 0],
      ['a', 59_999],
      ['a', 119_999],
      ['a', 2 * DAY_MS],
    ]
    const features = [sinceLast(60_000, -1), sinceLastEver(DAY_MS, -1)]
    expect(tell(features, events)).toEqual([
      [-1, -1],
      [0, 0],
      [Math.fround(59.999), Math.fround(59.999)],
      [-1, 60],
      [-1, 86_400],
    ])
  })

  test('of an event out of order is since the newest before it', () => {
    const events: Arrival[] = [
      ['a', 0],
      ['a', 5_000],
      ['a', 2_000],
      ['a', 6_000],
    ]
    expect(tell([sinceLastEver(null, -1), count], events, { lagMs: 10_000 })).toEqual([
      [-1, 1],
      [5, 2],
      [2, 2],
      [1, 4],
    ])
  })

  test('of a late event does not depend on whether its key has been swept away already', () => {
    const bounded = [sinceLast(60_000, 60)]
    const lateAfter = (others: number): Arrival[] => [
      ['a', 0],
      ...Array.from({ length: others }, (): Arrival => ['x', 60_000]),
      ['a', 30_000],
    ]
    const last = [1, 2, 20].map((n) => tell(bounded, lateAfter(n), { onLate: 'score' }).at(-1))
    expect(last).toEqual([[60], [60], [60]])
  })
})
