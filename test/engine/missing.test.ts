import * as fc from 'fast-check'
import { defineTopology, hours, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { whole } from './whole.ts'

// Columns that an event may lack, held against lists of what is there.

const T = Date.UTC(2026, 0, 1)
const FEATURES = [
  'tip',
  'events',
  'sum',
  'mean',
  'least',
  'median',
  'newest',
  'shops',
  'amount',
] as const

const Sale = z.object({
  at: z.int(),
  amount: z.number(),
  tip: z.number().nullish(),
  shop: z.string().nullable(),
})
type Sale = z.infer<typeof Sale>

const topology = defineTopology('tips', (t) =>
  t
    .source('sales', {
      schema: Sale,
      key: () => 'k',
      eventTimeMs: (s) => s.at,
      watermark: { lag: minutes(1) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const sales = f.events({
        amount: (s) => s.amount,
        tip: { of: (s) => s.tip, missing: 'skip' },
        shop: { of: (s) => s.shop, missing: 'skip' },
      })
      const window = sales.rolling(seconds(10))
      return {
        tip: sales.value('tip'),
        events: window.count(),
        sum: window.sum('tip'),
        mean: window.mean('tip', { empty: -1 }),
        least: window.min('tip'),
        median: window.quantile('tip', 0.5),
        newest: window.last('tip'),
        shops: window.distinct('shop'),
        amount: sales.rolling(hours(1)).sum('amount'),
      }
    })
    .score(
      onnxModel({
        ...{ name: 'm', version: '1', file: new URL('file:///m.onnx'), sha256: '', input: 'x' },
        features: FEATURES,
        outputs: { p: { tensor: 'p', column: 0 } },
      }),
      { missing: 'nan' },
    )
    .sink('scores'),
)

/** The results of a new engine for these sales. */
function take(...sales: readonly ({ readonly at: number } & object)[]) {
  const engine = engineFor(topology)
  const events = sales.map((event) => ({ key: 'k', timeMs: event.at, event }))
  return whole(engine.process(batchOf(engine, events)))
}

/** The features of the last sale; sales come a second after one another. */
function expectedOf(sales: readonly Sale[]): number[] {
  const own = sales.at(-1) as Sale
  const window = sales.filter(({ at }) => at > own.at - 10_000)
  const tips = window.flatMap(({ tip }) =>
    typeof tip === 'number' && !Number.isNaN(tip) ? [tip] : [],
  )
  const sorted = tips.toSorted((a, b) => a - b)
  const middle = [(sorted.length - 1) / 2].flatMap((m) => [
    sorted[Math.floor(m)],
    sorted[Math.ceil(m)],
  ])
  const sum = tips.reduce((a, b) => a + b, 0)
  return [
    own.tip ?? Number.NaN,
    window.length,
    sum,
    tips.length === 0 ? -1 : sum / tips.length,
    tips.length === 0 ? Number.NaN : Math.min(...tips),
    tips.length === 0 ? Number.NaN : ((middle[0] as number) + (middle[1] as number)) / 2,
    tips.at(-1) ?? Number.NaN,
    new Set(window.flatMap(({ shop }) => shop ?? [])).size,
    sales.reduce((all, { amount }) => all + amount, 0),
  ].map(Math.fround)
}

test('what is made of a column leaves out the events that lack it, and all else does not', () => {
  const sale = fc.record({
    amount: fc.integer({ min: -9, max: 9 }),
    tip: fc.constantFrom(null, undefined, Number.NaN, 0, 1, 2, 4),
    shop: fc.constantFrom(null, 'a', 'b'),
  })
  fc.assert(
    fc.property(fc.array(sale, { minLength: 1, maxLength: 40 }), (given) => {
      const sales = given.map((of, i) => ({ ...of, at: T + i * 1_000 }))
      const { arrivals, faults } = take(...sales)
      expect(faults).toEqual([])
      const rows = sales.map((_, i) => expectedOf(sales.slice(0, i + 1)))
      expect([...(arrivals[0]?.rows ?? [])]).toEqual(rows.flat())
    }),
  )
})

test('a column of another kind than it should be is a fault all the same', () => {
  const events = [{ at: T, amount: 1, tip: 'much', shop: null }]
  const { faults } = take(...events)
  expect(faults.map(({ error }) => [error.code, error.message])).toEqual([
    ['COLUMN_INVALID', 'column "tip" must be a number, got string'],
  ])
})

test('the fault of a column that is missing says what to do', () => {
  const events = [{ at: T, amount: null, tip: 1, shop: null }]
  const { faults } = take(...events)
  expect(faults[0]?.error.message).toMatch(
    /^column "amount" must be a number, got null; if events may lack it, .* missing: 'skip' .* f\.only\(has…\)/,
  )
})
