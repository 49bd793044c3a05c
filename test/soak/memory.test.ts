import { expect, it } from 'vitest'
import { type MemorySample, memoryFigures } from './memory.ts'

const MB = 1e6

/**
 * One sample a second of workers that run for a minute each. `mbAt`: by the second of the soak and
 * the worker's uptime.
 */
function samples(
  seconds: number,
  mbAt: (second: number, uptime: number) => number,
): MemorySample[] {
  return Array.from({ length: seconds }, (_, second) => {
    const uptime = second % 60
    const rssBytes = mbAt(second, uptime) * MB
    return { atMs: second * 1_000, uptimeMs: uptime * 1_000, rssBytes }
  })
}

it('constant memory is flat', () => {
  expect(
    memoryFigures(
      samples(3_000, () => 200),
      0,
    ),
  ).toMatchObject({
    peakMb: 200,
    bySoak: { firstMb: 200, lastMb: 200 },
    byUptime: { firstMb: 200, lastMb: 200 },
    isFlat: true,
  })
})

it('memory that grows from worker to worker is not flat', () => {
  expect(
    memoryFigures(
      samples(3_000, (second) => (second < 1_500 ? 200 : 300)),
      0,
    ),
  ).toMatchObject({
    bySoak: { firstMb: 200, lastMb: 300 },
    isFlat: false,
  })
})

it("memory that grows with a worker's uptime is not flat, even if the next worker starts low", () => {
  expect(
    memoryFigures(
      samples(3_000, (_, uptime) => (uptime < 45 ? 200 : 300)),
      0,
    ),
  ).toMatchObject({
    bySoak: { firstMb: 200, lastMb: 200 },
    byUptime: { firstMb: 200, lastMb: 300 },
    isFlat: false,
  })
})

it('memory during the start of a worker does not count', () => {
  const starting = samples(3_000, (_, uptime) => (uptime < 20 ? 900 : 200))
  expect(memoryFigures(starting, 0)).toMatchObject({ samples: 2_000, peakMb: 900, isFlat: true })
})

it('memory while the windows fill does not count', () => {
  const filling = samples(3_000, (second) => (second < 1_200 ? 100 : 200))
  expect(memoryFigures(filling, 1_200_000)).toMatchObject({ samples: 1_200, isFlat: true })
  expect(memoryFigures(filling, 0).isFlat).toBe(false)
})

it('a short soak has no result', () => {
  expect(
    memoryFigures(
      samples(600, (second) => second),
      0,
    ).isFlat,
  ).toBeNull()
  expect(memoryFigures([], 0)).toMatchObject({ peakMb: 0, isFlat: null })
})
