import { array, assert, double, property } from 'fast-check'
import { expect, test } from 'vitest'
import { StageTimers } from '../../src/observe/histograms.ts'

/** The statistics of fetches, ms. */
function recentOf(all: readonly number[]) {
  const timers = new StageTimers([])
  for (const durationMs of all) timers.add('fetch', '', durationMs)
  const fetches = timers.stages.find(({ durations }) => durations.labels.stage === 'fetch')
  const seconds = fetches?.recent.statistics(performance.now()) ?? []
  return Object.fromEntries(seconds.map(([statistic, of]) => [statistic, of * 1_000]))
}

test('statistics are within 1 % of the exact ones', () => {
  const times = array(double({ min: 1, max: 1e7, noNaN: true }), { minLength: 1 })
  assert(
    property(times, (all) => {
      const sorted = all.toSorted((a, b) => a - b)
      const { mean, max, ...quantiles } = recentOf(all)
      const isNear = (got: unknown, from: number, upTo: number) => {
        expect(got).toBeGreaterThan(from * 0.99)
        expect(got).toBeLessThan(upTo * 1.01)
      }
      const exact = all.reduce((a, b) => a + b) / all.length
      isNear(mean, exact, exact)
      isNear(max, sorted.at(-1) as number, sorted.at(-1) as number)
      for (const [name, quantile] of Object.entries(quantiles)) {
        const rank = (Number(name.slice(1)) / 100) * all.length
        const [below, above] = [Math.max(0, Math.floor(rank) - 1), Math.ceil(rank) - 1]
        isNear(quantile, sorted[below] as number, sorted[above] as number)
      }
    }),
  )
})

test('no time is too short or too long', () => {
  const { p50, max } = recentOf([0, 1e15])
  expect(p50).toBeLessThan(0.002)
  expect(max).toBeGreaterThan(24 * 3_600_000)
})
