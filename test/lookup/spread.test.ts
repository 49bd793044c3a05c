import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Spread } from '../../src/lookup/spread.ts'
import { exactVariance } from '../engine/oracle/exact.ts'
import { runs } from '../support/runs.ts'

const drift = {
  names: ['a', 'b'],
  features: (row: unknown) => row,
  threshold: 1,
  adjust: null,
}

/** As far apart as float32 allows. */
const OUTLIERS = [3e38, -3e38, 1e-45, 16_777_216, 1e30].map(Math.fround)
const number = fc.oneof(
  fc.constantFrom(...OUTLIERS),
  fc.float({ noDefaultInfinity: true, noNaN: true }),
  fc.float({ min: 1e6, max: Math.fround(1e6 + 1), noNaN: true }),
)
const rowOf = fc.record({ a: number, b: fc.oneof(number, fc.constant(null)) })
type NumbersRow = { readonly a: number; readonly b: number | null }

function naive(rows: readonly NumbersRow[], name: 'a' | 'b'): number {
  const numbers = rows.flatMap((row) => row[name] ?? [])
  return numbers.length === 0 ? Number.NaN : Math.fround(Math.sqrt(exactVariance(numbers)))
}

function together(...rows: readonly unknown[]): Spread {
  const spread = new Spread(drift)
  for (const row of rows) spread.change(row, 1)
  return spread
}

test('deviations are those of the rows that are there, whichever have come and gone', () => {
  const changes = fc.array(fc.record({ row: rowOf, goes: fc.boolean() }), { maxLength: 30 })
  fc.assert(
    fc.property(changes, (all) => {
      const spread = new Spread(drift)
      const rows: NumbersRow[] = []
      for (const { row, goes } of all) {
        const gone = goes ? rows.shift() : undefined
        if (gone !== undefined) spread.change(gone, -1)
        spread.change(row, 1)
        rows.push(row)
        expect([...spread.deviations]).toEqual([naive(rows, 'a'), naive(rows, 'b')])
      }
    }),
    { numRuns: runs(500) },
  )
})

test('deviations of numbers that hardly differ are exact, in any order', () => {
  const close = fc.float({ min: 8_000_000, max: 8_000_002, noNaN: true })
  fc.assert(
    fc.property(fc.array(close, { minLength: 2, maxLength: 40 }), (numbers) => {
      const rows = numbers.map((a) => ({ a, b: null }))
      for (const order of [rows, rows.toReversed()]) {
        expect(together(...order).deviations[0]).toBe(naive(rows, 'a'))
      }
    }),
    { numRuns: runs(500) },
  )
})

test('an outlier that has gone leaves nothing behind', () => {
  const spread = together({ a: 1, b: 5 }, { a: 3, b: 5 }, { a: 3e38, b: -3e38 })
  spread.change({ a: 3e38, b: -3e38 }, -1)
  expect([...spread.deviations]).toEqual([1, 0])
})

test('rows whose features cannot be read count nowhere, and none have no deviation', () => {
  expect([...together({ a: 1, b: 2 }, null, { a: 3 }).deviations]).toEqual([1, 0])
  expect([...together().deviations]).toEqual([Number.NaN, Number.NaN])
})
