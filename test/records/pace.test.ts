import { describe, expect, test } from 'vitest'
import { Pace } from '../../src/records/kafka/pace.ts'

/** After so many requests of 50 KB, each of which took so long. */
function paceOf(count: number, tookMs: number, throttleMs = 0): Pace {
  const pace = new Pace()
  for (let i = 0; i < count; i++) pace.acknowledged(50_000, tookMs, throttleMs)
  return pace
}

describe('the pace of records', () => {
  test('is not known at first: a request is small, and nothing needs any time', () => {
    const pace = new Pace()
    expect(pace.requestBytes).toBe(65_536)
    expect(pace.needsMs(1e6)).toBe(0)
  })

  test('makes a request as large as goes over the link in half a second', () => {
    expect(paceOf(1, 1_000).requestBytes).toBe(25_000)
    expect(paceOf(20, 100).requestBytes).toBeCloseTo(250_000)
  })

  test('makes no request smaller than 16 KB or larger than 8 MB', () => {
    expect(paceOf(5, 60_000).requestBytes).toBe(16_384)
    expect(paceOf(5, 0).requestBytes).toBe(8_000_000)
  })

  test('says how long bytes need', () => {
    expect(paceOf(3, 1_000).needsMs(500_000)).toBeCloseTo(10_000)
  })

  test('a broker that throttles makes bytes need longer, and no request smaller', () => {
    const pace = paceOf(5, 10, 490)
    expect(pace.needsMs(500_000)).toBeCloseTo(5_000)
    expect(pace.requestBytes).toBeGreaterThan(1e6)
  })

  test('follows a link that becomes slower within seconds, and one that becomes quicker at once', () => {
    const pace = paceOf(20, 10)
    for (let i = 0; i < 6; i++) pace.acknowledged(50_000, 1_000, 0)
    expect(pace.requestBytes).toBeLessThan(50_000)
    pace.acknowledged(1e6, 100, 0)
    expect(pace.requestBytes).toBeGreaterThan(150_000)
  })

  test('is not told by a few bytes: they take as long as the way, which is no time of the others', () => {
    const pace = new Pace()
    pace.acknowledged(200, 100, 0)
    expect(pace.requestBytes).toBe(65_536)
    pace.acknowledged(50_000, 600, 0)
    expect(pace.requestBytes).toBe(50_000)
  })

  test('is halved for what is not acknowledged in time, again and again, but not without end', () => {
    const pace = new Pace()
    pace.timedOut(800_000, 8_000)
    expect(pace.needsMs(800_000)).toBeCloseTo(16_000)
    pace.timedOut(800_000, 16_000)
    expect(pace.needsMs(800_000)).toBeGreaterThan(30_000)
    for (let i = 0; i < 20; i++) pace.timedOut(800_000, 30_000)
    expect(pace.needsMs(800_000)).toBe(200_000)
  })
})
