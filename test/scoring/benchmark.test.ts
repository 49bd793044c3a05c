import { expect, test } from 'vitest'
import { type BatchTimes, bestOf, sizesUpTo, statisticsOf } from '../../src/scoring/benchmark.ts'

const times = (rows: number, rowsPerSecond: number, p99Ms: number): BatchTimes => ({
  ...{ rows, rowsPerSecond, p99Ms },
  ...{ runs: 10, avgMs: 1, p50Ms: 1, p95Ms: 1 },
})

test('sizes are powers of two, and the largest', () => {
  expect(sizesUpTo(1)).toEqual([1])
  expect(sizesUpTo(8)).toEqual([1, 2, 4, 8])
  expect(sizesUpTo(9)).toEqual([1, 2, 4, 8, 9])
})

test('quantiles are those of the nearest rank, and rows a second follow from the average', () => {
  const ms = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect(statisticsOf(4, ms)).toEqual({
    ...{ rows: 4, runs: 100, avgMs: 50.5, p50Ms: 50, p95Ms: 95, p99Ms: 99 },
    rowsPerSecond: 4_000 / 50.5,
  })
})

test('the best batch has the most rows a second within the budget', () => {
  const batches = [times(1, 10, 1), times(2, 18, 2), times(4, 30, 9)]
  expect(bestOf(batches, 10)).toBe(4)
  expect(bestOf(batches, 5)).toBe(2)
})

test('when no batch is within the budget, the best is the one with most rows a second', () => {
  expect(bestOf([times(1, 10, 7), times(2, 18, 8)], 5)).toBe(2)
})
