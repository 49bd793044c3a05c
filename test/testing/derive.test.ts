import { defineTopology, type FeatureKit, minutes, onnxModel, seconds } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { functionReadings } from '../../src/engine/author-functions.ts'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { withoutGeneration } from '../support/without-generation.ts'

const Sale = z.object({ at: z.int(), amount: z.number() })
type Sale = z.infer<typeof Sale>

const START_MS = Date.UTC(2026, 0, 1)
const { fround } = Math

function define(f: FeatureKit<Sale>) {
  const all = f.events({ amount: (s) => s.amount })
  const minute = all.rolling(minutes(1))
  return { amount: all.value('amount'), mean: minute.mean('amount'), std: minute.std('amount') }
}

const source = {
  schema: Sale,
  key: () => 'k',
  eventTimeMs: (s: Sale) => s.at,
  watermark: { lag: seconds(1) },
  onLate: 'dead-letter',
} as const

/** Sales of these amounts, a second apart. */
async function piped<T>(topology: Topology<T>, ...amounts: readonly number[]) {
  const driver = await TopologyDriver.start(topology)
  try {
    await driver.pipe(amounts.map((amount, n) => ({ at: START_MS + n * 1_000, amount })))
    const features = driver.outputs('rows' as keyof T & string).map(({ value }) => {
      return (value as { features: Record<string, number | null> }).features
    })
    return { features, dead: driver.deadLetters() }
  } finally {
    await driver.stop()
  }
}

describe('a derived feature', () => {
  test('is computed from numbers that are not rounded, and rounded once', async () => {
    const topology = defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features(define)
        .derive({ tenfold: ({ amount }) => amount * 10 - 1 })
        .sink('rows'),
    )
    const [, second] = (await piped(topology, 5, 0.1)).features
    expect(second?.['tenfold']).toBe(0)
    expect(fround(fround(0.1) * 10 - 1)).not.toBe(0)
  })

  test('comes behind those that stay, and a second call may use the first', async () => {
    const topology = defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features(define)
        .derive({ over: ({ amount, mean }) => amount - mean }, { drop: ['mean'] })
        .derive({ z: ({ over, std }) => over / Math.max(std, 0.5) }, { drop: ['std', 'over'] })
        .where((_, { z: score }) => score > 0)
        .sink('rows'),
    )
    const { features } = await piped(topology, 1, 4, 1)
    expect(features).toEqual([{ amount: 4, z: 1 }])
    expect(Object.keys(features[0] ?? {})).toEqual(['amount', 'z'])
  })

  test('that is NaN is null in JSON', async () => {
    const topology = defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features(define)
        .derive({ z: ({ amount, mean, std }) => (amount - mean) / std })
        .sink('rows'),
    )
    expect((await piped(topology, 1)).features).toEqual([{ amount: 1, mean: 1, std: 0, z: null }])
  })

  test('whose function throws, or returns no number, makes its event a dead letter with its name', async () => {
    const topology = defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features(define)
        .derive({
          picky: ({ amount }) => {
            if (amount < 0) throw new RangeError('negative')
            return amount
          },
          large: ({ amount }) => (amount > 4) as unknown as number,
        })
        .sink('rows'),
    )
    const { dead, features } = await piped(topology, -1, 1)
    expect(features).toEqual([])
    expect(dead.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'FUNCTION_THREW step "derive.picky" threw RangeError',
      'COLUMN_INVALID feature "large" must be a number, got boolean',
    ])
  })

  test('is compiled if it only calculates, else called, and this is told', () => {
    const fee = 0.5
    const topology = defineTopology('t', (t) =>
      t
        .source('sales', source)
        .features(define)
        .derive({
          z: ({ amount, mean }) => (amount > mean && mean !== 0 ? Math.log1p(amount) / mean : -1),
          whole: (f) => f.amount ** 2 + Math.PI,
          captured: ({ amount }) => amount * fee,
          random: ({ amount }) => amount * Math.random(),
          text: ({ amount }) => Number(amount.toFixed(2)),
        })
        .sink('rows'),
    )
    const told = functionReadings(topology).map(
      ({ where, what, why }) => `${where}: ${why ?? what}`,
    )
    expect(told.filter((line) => line.startsWith('derive.'))).toEqual([
      'derive.z: compiled',
      'derive.whole: compiled',
      'derive.captured: it uses `fee`',
      'derive.random: it calls a function that is not one of Math',
      'derive.text: it calls a function that is not one of Math',
    ])
  })
})

test('mistakes in derive are told all at once', () => {
  const model = onnxModel({
    ...{ name: 'm', version: '1', file: new URL('file:///m.onnx'), sha256: '', input: 'x' },
    features: ['amount', 'mean'],
    outputs: { p: { tensor: 'p', column: 0 } },
  })
  const topology = defineTopology('t', (t) =>
    t
      .source('sales', source)
      .features(define)
      .derive(
        // @ts-expect-error -- the name is taken
        {
          std: ({ amount }) => amount,
          // @ts-expect-error -- there is no such feature
          z: ({ amount, median }) => amount / median,
        },
        { drop: ['mean', 'mean', 'mode' as 'mean'] },
      )
      // @ts-expect-error -- the model takes a feature that was dropped
      .score(model)
      .sink('rows'),
  )
  const told = validateTopology(topology).map(({ where, message, hint = '' }) => {
    return `${where}: ${message}; ${hint}`
  })
  expect(told).toEqual([
    't/derive.std: two features are named "std"; ',
    't/derive.z: there is no feature median; there is amount, mean, std',
    't/derive: drop: there is no feature mode; there is amount, mean, std',
    't/derive: drop: mean is listed twice; ',
    't/m: model m needs mean; derive drops mean',
    't/m: model m does not take std, z; ',
  ])
})

test('is the same where no code may be generated', () => {
  const script = `
    import { defineTopology, minutes } from './dist/index.js'
    import { TopologyDriver } from './dist/testing/index.js'
    import { z } from 'zod'
    const Pair = z.object({ a: z.number(), b: z.number(), at: z.number() })
    const driver = await TopologyDriver.start(defineTopology('t', (t) => t
      .source('in', {
        schema: Pair, key: () => 'k', eventTimeMs: (e) => e.at,
        watermark: { lag: minutes(1), maxAhead: 'none' }, onLate: 'drop',
      })
      .features((f) => ({ a: f.events({}).value((e) => e.a), b: f.events({}).value((e) => e.b) }))
      .derive({
        ratio: ({ a, b }) => a / b,
        twice: (f) => { if (f.a > 5) throw new RangeError('no'); return f.a * 2 },
        odd: ({ a, b }) => (a === 3 ? a > b : 0),
      })
      .sink('out')))
    const at = Date.UTC(2026, 0, 1)
    await driver.pipe([{ a: 1, b: 2, at }, { a: 6, b: 2, at }, { a: 3, b: 4, at }])
    const rows = driver.outputs('out').map(({ value }) => value.features)
    const letters = driver.deadLetters().map(({ code, message }) => [code, message])
    await driver.stop()
    console.log(JSON.stringify({ rows, letters }))`
  expect(withoutGeneration(script)).toEqual({
    rows: [{ a: 1, b: 2, ratio: 0.5, twice: 2, odd: 0 }],
    letters: [
      ['FUNCTION_THREW', 'step "derive.twice" threw RangeError'],
      ['COLUMN_INVALID', 'feature "odd" must be a number, got boolean'],
    ],
  })
})
