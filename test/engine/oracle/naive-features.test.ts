import { describe, expect, it } from 'vitest'
import type { Aggregate } from '../../../src/topology/aggregates.ts'
import type {
  FeatureSource,
  FeaturesStep,
  KindDefinition,
} from '../../../src/topology/definition.ts'
import { type Arrival, type NaiveOptions, naiveFeatures } from './naive-features.ts'

interface Sample {
  readonly amount: number
  readonly shop: string
  readonly refund: boolean
}

const amount = (e: unknown) => (e as Sample).amount
const shop = (e: unknown) => (e as Sample).shop
const refund = (e: unknown) => (e as Sample).refund
const unit = (e: unknown) => Math.sign(amount(e)) * Math.ceil(Math.abs(amount(e)) / 100)
const columns = { amount, unit, shop, refund }
const everything: KindDefinition = { is: null, columns }
const refunds: KindDefinition = { is: refund, columns }

const options: NaiveOptions = { lagMs: 1_000, onLate: 'dead-letter' }

function stepOf(...sources: FeatureSource[]): FeaturesStep {
  const features = sources.map((source, i) => ({ name: `f${i}`, ...source }))
  return { op: 'features', name: 'features', kinds: [everything, refunds], features, then: [] }
}

function rolling(lengthMs: number, aggregate: Aggregate, kind = 0): FeatureSource {
  return { from: 'rolling', kind, lengthMs, aggregate }
}

const counted = (lengthMs: number, kind = 0) => rolling(lengthMs, { of: 'count' }, kind)
const sinceLast: FeatureSource = { from: 'sinceLastEver', kind: 0, capMs: 5_000, never: -1 }

function at(timeMs: number, event: Partial<Sample> = {}, key = 'k'): Arrival {
  return { key, timeMs, event: { amount: 1, shop: 's', refund: false, ...event } }
}

function rowsOf(step: FeaturesStep, events: readonly Arrival[], o = options): (number[] | null)[] {
  return naiveFeatures(step, o, events).map(({ row }) => row && [...row])
}

/** Each feature of the last event. */
function lastRow(step: FeaturesStep, events: readonly Arrival[], o = options): number[] | null {
  return rowsOf(step, events, o).at(-1) ?? null
}

describe('a rolling window', () => {
  it('holds the event itself and loses one that is exactly as old as it is long', () => {
    expect(rowsOf(stepOf(counted(500)), [at(0), at(499), at(500)])).toEqual([[1], [2], [2]])
  })

  it('holds earlier arrivals of the same time, and none that comes later in the log', () => {
    expect(rowsOf(stepOf(counted(500)), [at(7), at(7)])).toEqual([[1], [2]])
  })

  it('shows an event out of order only what is up to its own time', () => {
    const step = stepOf(counted(500), sinceLast)
    expect(lastRow(step, [at(100), at(300), at(200)])).toEqual([2, Math.fround(0.1)])
  })

  it('is of one key', () => {
    expect(lastRow(stepOf(counted(500)), [at(0), at(1, {}, 'other')])).toEqual([1])
  })

  it('is of one kind, and holds the event itself only if it is of it', () => {
    const step = stepOf(counted(500), counted(500, 1))
    expect(rowsOf(step, [at(0, { refund: true }), at(1)])).toEqual([
      [1, 1],
      [2, 1],
    ])
  })
})

describe('the watermark', () => {
  it('is the largest event time less the lag, of all keys, and equal to it is not late', () => {
    const events = [at(5_000), at(4_000, {}, 'other'), at(3_999, {}, 'other'), at(4_000)]
    const results = naiveFeatures(stepOf(counted(500)), options, events)
    expect(results.map((r) => r.late)).toEqual([false, false, true, false])
  })

  it('keeps a late event out of every window and gives it no row', () => {
    expect(rowsOf(stepOf(counted(9_000)), [at(5_000), at(3_999), at(5_000)])).toEqual([
      [1],
      null,
      [2],
    ])
  })

  it('shows a late event that is scored what is left of its windows, without itself', () => {
    const step = stepOf(counted(2_000), counted(3_000))
    const events = [at(1_000), at(2_001), at(2_900), at(5_000), at(3_000), at(5_000)]
    // The watermark is 4,000: what is not after 1,000 is gone.
    expect(rowsOf(step, events, { ...options, onLate: 'score' }).slice(-2)).toEqual([
      [2, 2],
      [2, 4],
    ])
  })

  it('leaves a late event the newest time that has left the windows', () => {
    const score: NaiveOptions = { ...options, onLate: 'score' }
    const step = stepOf(counted(500), sinceLast)
    const late = (timeMs: number) => lastRow(step, [at(0), at(1_000), at(9_000), at(timeMs)], score)
    expect(late(3_000)).toEqual([0, 2])
    expect(late(500)).toEqual([0, -1])
  })
})

describe('seconds since the last', () => {
  it('counts from the largest earlier time, at most the cap, and remembers for ever', () => {
    const events = [at(0), at(0), at(1_500), at(6_500), at(11_501), at(9_000_000)]
    expect(rowsOf(stepOf(sinceLast), events)).toEqual([[-1], [0], [1.5], [5], [5], [5]])
  })

  it('counts within a window only from what lies in it', () => {
    const within: FeatureSource = { from: 'sinceLast', kind: 0, lengthMs: 5_000, empty: -1 }
    const events = [at(0), at(0), at(1_500), at(6_500), at(11_499)]
    expect(rowsOf(stepOf(within), events)).toEqual([[-1], [0], [1.5], [-1], [Math.fround(4.999)]])
  })

  it('has no bound without a cap', () => {
    const uncapped: FeatureSource = { ...sinceLast, capMs: null }
    expect(lastRow(stepOf(uncapped), [at(0), at(9_000_000)])).toEqual([9_000])
  })
})

describe('an aggregate', () => {
  const sales = [3, 1, 2, 10].map((n, i) =>
    at(i, { amount: n, shop: n < 3 ? 'a' : 'b', refund: n > 2 }),
  )
  const of = (aggregate: Aggregate, events: readonly Arrival[] = sales) =>
    lastRow(stepOf(rolling(100, aggregate)), events)?.[0]
  const number = (
    name: 'mean' | 'min' | 'max' | 'variance' | 'std' | 'skewness' | 'kurtosis',
    events?: readonly Arrival[],
  ) => of({ of: name, column: 'amount', empty: -7 }, events)

  const sum = (events?: readonly Arrival[]) => of({ of: 'sum', column: 'amount' }, events)

  it('is what the word says', () => {
    expect(sum()).toBe(16)
    expect(number('mean')).toBe(4)
    expect(number('min')).toBe(1)
    expect(number('max')).toBe(10)
    expect(number('std')).toBe(Math.fround(Math.sqrt((1 + 9 + 4 + 36) / 4)))
    expect(number('variance')).toBe(12.5)
    // The values that scipy.stats.skew and kurtosis give.
    expect(number('skewness')).toBe(Math.fround(180 / 4 / 12.5 ** 1.5))
    expect(number('kurtosis')).toBe(Math.fround(1394 / 4 / 12.5 ** 2 - 3))
    expect(of({ of: 'decayedSum', column: 'amount', halfLifeMs: 1 })).toBe(3 / 8 + 1 / 4 + 1 + 10)
    expect(of({ of: 'rate' })).toBe(40)
    expect(of({ of: 'distinct', column: 'shop' })).toBe(2)
    expect(of({ of: 'countWhere', column: 'refund' })).toBe(2)
    expect(of({ of: 'share', column: 'refund', empty: -7 })).toBe(0.5)
  })

  it('is of the oldest or the newest event in event time, of equal ones in log order', () => {
    const events = [at(1, { amount: 1 }), at(2, { amount: 2 }), at(0, { amount: 3 })]
    const end = (name: 'first' | 'last') => (all: readonly Arrival[]) =>
      of({ of: name, column: 'amount', cell: 'number', empty: -7 }, all)
    expect(end('first')([...events, at(2, { amount: 4 })])).toBe(3)
    expect(end('last')([...events, at(2, { amount: 4 })])).toBe(4)
    expect(of({ of: 'last', column: 'refund', cell: 'number', empty: -7 })).toBe(1)
  })

  it('is a sum over a sum, and as if empty where that is 0', () => {
    const ratio = (...amounts: number[]) =>
      of(
        { of: 'ratio', column: 'amount', over: 'unit', empty: -7 },
        amounts.map((n, i) => at(i, { amount: n })),
      )
    expect(ratio(1, 2, 5)).toBe(Math.fround(8 / 3))
    expect(ratio(1, -1)).toBe(-7)
    expect(ratio(0.1, 0.7)).toBe(Math.fround(0.4))
  })

  it('interpolates a quantile between the nearest ranks', () => {
    const quantile = (q: number) => of({ of: 'quantile', column: 'amount', empty: -7, q })
    expect([0, 0.25, 0.5, 0.75, 1].map(quantile)).toEqual([1, 1.75, 2.5, 4.75, 10])
  })

  it('is as if empty for the shape of values that are all equal', () => {
    const equal = [at(0, { amount: 0.1 }), at(1, { amount: 0.1 }), at(2, { amount: 0.1 })]
    expect(number('skewness', equal)).toBe(-7)
    expect(number('kurtosis', equal)).toBe(-7)
    expect(number('skewness', equal.slice(1))).toBe(-7)
  })

  it('sums exactly: nothing of a large amount stays, nothing small is lost beside it', () => {
    const amounts = (...values: number[]) => values.map((n, i) => at(i, { amount: n }))
    expect(sum(amounts(1e17, 1, -1e17))).toBe(1)
    expect(number('std', amounts(33.33, 33.33, 33.33))).toBe(0)
    expect(number('std', amounts(1e7 + 0.25, 1e7 - 0.25))).toBe(0.25)
  })

  it('of no event is 0 for counts, else what the author says', () => {
    const empty = (aggregate: Aggregate) => lastRow(stepOf(rolling(1, aggregate, 1)), [at(0)])?.[0]
    expect(empty({ of: 'count' })).toBe(0)
    expect(empty({ of: 'rate' })).toBe(0)
    expect(empty({ of: 'distinct', column: 'shop' })).toBe(0)
    expect(empty({ of: 'countWhere', column: 'refund' })).toBe(0)
    expect(empty({ of: 'mean', column: 'amount', empty: Number.NaN })).toBe(Number.NaN)
    expect(empty({ of: 'share', column: 'refund', empty: -7 })).toBe(-7)
    expect(empty({ of: 'ratio', column: 'amount', over: 'unit', empty: -7 })).toBe(-7)
    expect(empty({ of: 'last', column: 'amount', cell: 'number', empty: -7 })).toBe(-7)
  })
})

describe('a feature of the event itself', () => {
  const value: FeatureSource = { from: 'value', kind: 1, of: amount }
  const rating: FeatureSource = {
    from: 'lookup',
    kind: 0,
    table: 'shops',
    key: (e) => shop(e) || null,
    of: (row) => (row as { rating: number }).rating,
  }
  const tables = new Map([['shops', new Map([['s', { rating: 4 }]])]])
  const withTables: NaiveOptions = { ...options, lookup: (name) => tables.get(name) ?? new Map() }

  it('is NaN for an event of another kind', () => {
    const events = [at(0, { amount: 0.1, refund: true }), at(1)]
    expect(rowsOf(stepOf(value), events)).toEqual([[Math.fround(0.1)], [Number.NaN]])
  })

  it('looks a row up, and is NaN without a key or a row', () => {
    const events = [at(0), at(1, { shop: '' }), at(2, { shop: 'unknown' })]
    expect(rowsOf(stepOf(rating), events, withTables)).toEqual([[4], [Number.NaN], [Number.NaN]])
  })
})
