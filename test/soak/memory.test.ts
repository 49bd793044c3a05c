import { expect, it } from 'vitest'
import { type MemorySample, memoryFigures } from './memory.ts'

const MB = 1e6

/** A sample a second of workers that live for a minute each, by the second of the soak and the worker's uptime. */
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

it('memory that stays where it is, is flat', () => {
  expect(memoryFigures(samples(3_000, () => 200))).toMatchObject({
    peakMb: 200,
    bySoak: { firstMb: 200, lastMb: 200 },
    byUptime: { firstMb: 200, lastMb: 200 },
    isFlat: true,
  })
})

it('memory that grows from worker to worker is not flat', () => {
  expect(memoryFigures(samples(3_000, (second) => (second < 1_500 ? 200 : 300)))).toMatchObject({
    bySoak: { firstMb: 200, lastMb: 300 },
    isFlat: false,
  })
})

it('memory that grows with the uptime and dies with the worker is not flat', () => {
  expect(memoryFigures(samples(3_000, (_, uptime) => (uptime < 40 ? 200 : 300)))).toMatchObject({
    bySoak: { firstMb: 200, lastMb: 200 },
    byUptime: { firstMb: 200, lastMb: 300 },
    isFlat: false,
  })
})

it('what a worker holds while it starts does not count', () => {
  const starting = samples(3_000, (_, uptime) => (uptime < 10 ? 900 : 200))
  expect(memoryFigures(starting)).toMatchObject({ samples: 2_500, peakMb: 200, isFlat: true })
})

it('of a short soak nothing is said', () => {
  expect(memoryFigures(samples(600, (second) => second)).isFlat).toBeNull()
  expect(memoryFigures([])).toMatchObject({ peakMb: 0, isFlat: null })
})
