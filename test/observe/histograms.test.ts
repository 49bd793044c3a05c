import { array, assert, double, property } from 'fast-check'
import { expect, test } from 'vitest'
import { Durations } from '../../src/observe/histograms.ts'

const times = array(double({ min: 1e-3, max: 1e7, noNaN: true }), { minLength: 1 })

function durationsOf(all: readonly number[]): Durations {
  const durations = new Durations()
  for (const ms of all) durations.add(ms)
  return durations
}

test('a quantile is within 2.5 % of the nearest rank, and the last one is the longest time', () => {
  assert(
    property(times, double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      const sorted = all.toSorted((a, b) => a - b)
      const rank = sorted[Math.max(1, Math.ceil(share * all.length)) - 1] as number
      const durations = durationsOf(all)
      expect(Math.abs(durations.quantileMs(share) / rank - 1)).toBeLessThan(0.025)
      expect(durations.quantileMs(1)).toBe(sorted.at(-1))
    }),
  )
})

test('count and mean are exact, also of several together', () => {
  assert(
    property(times, times, (some, others) => {
      const all = [...some, ...others]
      const together = durationsOf(some).addAll(durationsOf(others))
      expect(together.inSeconds().count).toBe(all.length)
      expect(together.meanMs).toBeCloseTo(all.reduce((a, b) => a + b) / all.length, 3)
      expect(together.quantileMs(0.5)).toBe(durationsOf(all).quantileMs(0.5))
    }),
  )
})

test('of no time there is no mean and no quantile', () => {
  expect(new Durations().meanMs).toBeNaN()
  expect(new Durations().quantileMs(0.5)).toBeNaN()
})

test('no time is too short or too long', () => {
  const durations = durationsOf([0, 1e15])
  expect(durations.quantileMs(0.5)).toBeLessThan(0.002)
  expect(durations.quantileMs(1)).toBe(1e15)
})
