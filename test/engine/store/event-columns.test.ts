import { describe, expect, test } from 'vitest'
import { EventColumns } from '../../../src/engine/store/event-columns.ts'
import { Histories } from '../../../src/engine/store/histories.ts'
import { WindowWalk } from '../../../src/engine/store/window-walk.ts'
import type { Aggregate } from '../../../src/topology/aggregates.ts'
import type { EventFunction } from '../../../src/topology/definition.ts'
import { HASH } from '../../support/hash.ts'

const pick =
  (name: string): EventFunction<unknown> =>
  (e) =>
    (e as Record<string, unknown>)[name]
const COLUMNS = { n: pick('n'), text: pick('text'), is: pick('is'), any: pick('any') }
const EVENT = { n: 1.5, text: 'a', is: true, any: 'b' }
const empty = Number.NaN
const precision = 'float64'

function end(of: 'first' | 'last', column: string, cell: 'number' | 'any' = 'any'): Aggregate {
  return { of, column, cell, empty }
}

/** The values of aggregates over one window with these events. */
function valuesOf(aggregates: readonly Aggregate[], events: readonly object[]) {
  const columns = new EventColumns(COLUMNS, aggregates, { precision, hash: HASH })
  const history = new Histories(columns.layout).begin(0)
  for (const [timeMs, event] of events.entries()) {
    columns.read([event], 0)
    history.insert(timeMs, columns.hold())
  }
  const features = aggregates.map((aggregate, feature) => {
    return { lengthMs: 1_000, aggregate, feature }
  })
  const row = new Float64Array(aggregates.length)
  const range = { afterMs: -1, upToMs: 1_000, timeMs: 1_000 }
  new WindowWalk(features, columns).writeRange(history, range, row)
  return aggregates.map((aggregate, i) => columns.valueOf(aggregate, row[i] as number))
}

describe('the first and the last cell come back as they were', () => {
  test('a number, a text and a condition, in a column of its own or in one', () => {
    const aggregates = ['n', 'text', 'is', 'any'].flatMap((c) => [end('first', c), end('last', c)])
    const events = [EVENT, { n: -2, text: '', is: false, any: 7 }]
    expect(valuesOf(aggregates, events)).toEqual([1.5, -2, 'a', '', true, false, 'b', 7])
  })

  test('also where another aggregate has given the column its type', () => {
    const aggregates: Aggregate[] = [
      { of: 'sum', column: 'n' },
      { of: 'distinct', column: 'text' },
      { of: 'share', column: 'is', empty },
      ...['n', 'text', 'is'].map((c) => end('last', c)),
    ]
    expect(valuesOf(aggregates, [EVENT])).toEqual([1.5, 1, 1, 1.5, 'a', true])
  })

  test('no number is null', () => {
    const ratio: Aggregate = { of: 'ratio', column: 'n', over: 'n', empty }
    expect(valuesOf([ratio], [{ n: 0 }])).toEqual([null])
    expect(valuesOf([ratio], [{ n: 3 }])).toEqual([1])
    expect(valuesOf([end('last', 'text'), { of: 'mean', column: 'n', empty }], [])).toEqual([
      null,
      null,
    ])
  })
})

describe('a cell that a window cannot hold is told', () => {
  const wanted = (aggregate: Aggregate, event: object) =>
    new EventColumns(COLUMNS, [aggregate], { precision, hash: HASH }).read(
      [{ ...EVENT, ...event }],
      0,
    )?.wanted

  test.each<[string, Aggregate, object]>([
    ['number', { of: 'sum', column: 'n' }, { n: '1' }],
    ['number', { of: 'max', column: 'n', empty }, { n: Number.NaN }],
    ['string', { of: 'distinct', column: 'text' }, { text: null }],
    ['boolean', { of: 'countWhere', column: 'is' }, { is: 1 }],
    ['number or boolean', end('last', 'any', 'number'), { any: 'text' }],
    ['number or boolean', end('last', 'any', 'number'), { any: Number.POSITIVE_INFINITY }],
    ['number or string or boolean', end('first', 'any'), { any: {} }],
  ])('where it wants a %s', (type, aggregate, event) => {
    expect(wanted(aggregate, event)).toBe(type)
    expect(wanted(aggregate, { any: true })).toBeUndefined()
  })

  test('of both columns of a ratio', () => {
    const ratio: Aggregate = { of: 'ratio', column: 'n', over: 'any', empty }
    const columns = new EventColumns(COLUMNS, [ratio], { precision, hash: HASH })
    expect(columns.read([{ ...EVENT, any: 2 }], 0)).toBeNull()
    expect(columns.read([EVENT], 0)).toEqual({ column: 'any', wanted: 'number', got: 'b' })
  })

  test.each([
    ['float64', 1.7e308, true],
    ['float32', 1.7e308, false],
    ['float32', -3.5e38, false],
    ['float32', 3.4028235677973362e38, true],
    ['float32', 3.402823567797337e38, false],
    ['float32', 1e-300, true],
  ] as const)('as a %s: %d', (as, n, isHeld) => {
    const sum: Aggregate = { of: 'sum', column: 'n' }
    const columns = new EventColumns(COLUMNS, [sum], { precision: as, hash: HASH })
    expect(columns.read([{ ...EVENT, n }], 0) === null).toBe(isHeld)
  })
})

test('only what some aggregate needs is kept: sums, powers, decay, order, links', () => {
  const aggregates: Aggregate[] = [
    end('last', 'any'),
    { of: 'quantile', column: 'n', q: 0.5, empty },
    { of: 'distinct', column: 'text' },
    { of: 'countWhere', column: 'is' },
    { of: 'decayedSum', column: 'n', halfLifeMs: 7 },
    { of: 'decayedSum', column: 'n', halfLifeMs: 5 },
    { of: 'decayedSum', column: 'n', halfLifeMs: 7 },
  ]
  const { layout } = new EventColumns(COLUMNS, aggregates, { precision, hash: HASH })
  const { columns, summed, powered, decayed, ranked, distinct, summaries } = layout
  expect({ columns, summed, powered, decayed, ranked, distinct }).toEqual({
    columns: 5,
    summed: [4],
    powered: [],
    decayed: [
      { column: 2, halfLifeMs: 7 },
      { column: 2, halfLifeMs: 5 },
    ],
    ranked: [2],
    distinct: [3],
  })
  expect(summaries.numbers).toBe(6 + 2 * 3)
  const shape: Aggregate[] = [
    { of: 'kurtosis', column: 'n', empty },
    { of: 'mean', column: 'any', empty },
  ]
  const shaped = new EventColumns(COLUMNS, shape, { precision, hash: HASH }).layout
  expect([shaped.summed, shaped.powered, shaped.summaries.numbers]).toEqual([
    [1, 2],
    [1],
    6 + 6 + 12,
  ])
})
