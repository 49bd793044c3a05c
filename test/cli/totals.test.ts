import { expect, test } from 'vitest'
import { shownMs } from '../../src/cli/print.ts'
import { StageReport } from '../../src/cli/totals.ts'
import { samples } from '../observe/events.ts'

test('the stages are told in the order of the way, with their quantiles', () => {
  const report = new StageReport()
  const { processed, fetched, committed } = samples
  report.observer(committed)
  for (let i = 1; i <= 100; i++) {
    report.observer({ ...processed, stages: { encode: 1, decode: i } })
  }
  report.observer(fetched)
  const [head, ...rows] = report.lines().map((line) => line.trim().split(/\s+/))
  expect(head).toEqual(['ms', 'times', 'mean', 'p50', 'p95', 'p99', 'max'])
  expect(rows.map(([stage]) => stage)).toEqual(['fetch', 'decode', 'encode', 'commit'])
  const [times, mean, ...quantiles] = (rows[1] ?? []).slice(1).map(Number)
  expect([times, mean]).toEqual([100, 50.5])
  for (const [i, ms] of [50, 95, 99, 100].entries()) {
    expect(Math.abs((quantiles[i] ?? 0) / ms - 1)).toBeLessThan(0.03)
  }
})

test('of a few chunks nothing is told', () => {
  const report = new StageReport()
  for (let i = 0; i < 19; i++) report.observer(samples.processed)
  expect(report.lines()).toEqual([])
  report.observer(samples.processed)
  expect(report.lines()).toHaveLength(6)
})

test('a time has three digits that count', () => {
  expect([0.0004, 0.25, 1.5, 12.25, 1_234.5].map(shownMs)).toEqual([
    '0.000',
    '0.250',
    '1.50',
    '12.3',
    '1,235',
  ])
})
