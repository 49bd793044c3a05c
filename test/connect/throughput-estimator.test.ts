import { describe, expect, test } from 'vitest'
import { ThroughputEstimator } from '../../src/connect/kafka/produce/throughput-estimator.ts'

/** After so many requests of 50 KB, each of which took so long. */
function estimatorOf(count: number, tookMs: number, throttleMs = 0): ThroughputEstimator {
  const estimator = new ThroughputEstimator()
  for (let i = 0; i < count; i++) estimator.acknowledged(50_000, tookMs, throttleMs)
  return estimator
}

describe('the throughput of records', () => {
  test('is not known at first: a request is small, and nothing needs any time', () => {
    const estimator = new ThroughputEstimator()
    expect(estimator.requestBytes).toBe(65_536)
    expect(estimator.needsMs(1e6)).toBe(0)
  })

  test('makes a request as large as goes over the link in half a second', () => {
    expect(estimatorOf(1, 1_000).requestBytes).toBe(25_000)
    expect(estimatorOf(20, 100).requestBytes).toBeCloseTo(250_000)
  })

  test('makes no request smaller than 16 KB or larger than 8 MB', () => {
    expect(estimatorOf(5, 60_000).requestBytes).toBe(16_384)
    expect(estimatorOf(5, 0).requestBytes).toBe(8_000_000)
  })

  test('says how long bytes need', () => {
    expect(estimatorOf(3, 1_000).needsMs(500_000)).toBeCloseTo(10_000)
  })

  test('a broker that throttles makes bytes need longer, and no request smaller', () => {
    const estimator = estimatorOf(5, 10, 490)
    expect(estimator.needsMs(500_000)).toBeCloseTo(5_000)
    expect(estimator.requestBytes).toBeGreaterThan(1e6)
  })

  test('follows a link that becomes slower within seconds, and one that becomes quicker at once', () => {
    const estimator = estimatorOf(20, 10)
    for (let i = 0; i < 6; i++) estimator.acknowledged(50_000, 1_000, 0)
    expect(estimator.requestBytes).toBeLessThan(50_000)
    estimator.acknowledged(1e6, 100, 0)
    expect(estimator.requestBytes).toBeGreaterThan(150_000)
  })

  test('is not told by a few bytes: they take as long as the way, which is no time of the others', () => {
    const estimator = new ThroughputEstimator()
    estimator.acknowledged(200, 100, 0)
    expect(estimator.requestBytes).toBe(65_536)
    estimator.acknowledged(50_000, 600, 0)
    expect(estimator.requestBytes).toBe(50_000)
  })

  test('is halved for what is not acknowledged in time, again and again, but not without end', () => {
    const estimator = new ThroughputEstimator()
    estimator.timedOut(800_000, 8_000)
    expect(estimator.needsMs(800_000)).toBeCloseTo(16_000)
    estimator.timedOut(800_000, 16_000)
    expect(estimator.needsMs(800_000)).toBeGreaterThan(30_000)
    for (let i = 0; i < 20; i++) estimator.timedOut(800_000, 30_000)
    expect(estimator.needsMs(800_000)).toBe(200_000)
  })
})
