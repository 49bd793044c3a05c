import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrivals, featureRuns, featuresSteps } from './arbitraries.ts'
import { naiveFeatures } from './oracle/naive-features.ts'

const LAG_MS = 1_000
const logs = fc.sample(arrivals(LAG_MS, 100), { seed: 1, numRuns: 50 })
const steps = fc.sample(featuresSteps(), { seed: 1, numRuns: 200 })

/** How far each event is behind the newest one before it. */
const behindMs = logs.flatMap((log) =>
  log.slice(1).map(({ timeMs }, i) => {
    const newestMs = log.slice(0, i + 1).reduce((max, e) => Math.max(max, e.timeMs), -Infinity)
    return newestMs - timeMs
  }),
)

describe('random events', () => {
  it.each<[string, (behind: number) => boolean]>([
    ['in order', (behind) => behind < 0],
    ['at equal times', (behind) => behind === 0],
    ['out of order within the lag', (behind) => behind > 0 && behind < LAG_MS],
    ['exactly at the watermark', (behind) => behind === LAG_MS],
    ['just behind the watermark', (behind) => behind === LAG_MS + 1],
    ['far behind the watermark', (behind) => behind > LAG_MS + 60_000],
  ])('come %s', (_name, holds) => {
    expect(behindMs.filter(holds).length).toBeGreaterThan(5)
  })

  it('have no negative zero', () => {
    const amounts = logs.flat().map(({ event }) => (event as { amount: number }).amount)
    expect(amounts.filter((amount) => Object.is(amount, -0))).toEqual([])
  })
})

describe('random features steps', () => {
  it('ask for every source and aggregate that the oracle knows', () => {
    const words = steps.flatMap((step) =>
      step.features.map((f) => (f.from === 'rolling' ? f.aggregate.of : f.from)),
    )
    expect([...new Set(words)].toSorted((a, b) => a.localeCompare(b))).toEqual(
      'count countWhere decayedSum delta distinct first kurtosis last lookup max mean min previous quantile rate ratio share sinceLast sinceLastEver skewness std sum tumbling value variance'.split(
        ' ',
      ),
    )
  })

  it('give the oracle a row as wide as they are', () => {
    const runs = fc.sample(featureRuns(30), { seed: 1, numRuns: 50 })
    const odd = runs.filter(({ step, options, events }) =>
      naiveFeatures(step, options, events).some(
        ({ row }) => row !== null && row.length !== step.features.length,
      ),
    )
    expect(odd).toEqual([])
  })
})
