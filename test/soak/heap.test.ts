import { expect, it } from 'vitest'
import { type HeapSample, heapFigures } from './heap.ts'

const MINUTE_MS = 60_000
const MB = 1e6

/**
 * One sample a minute of a heap that grows by `percent` of 80 MB an hour and fluctuates by 1 MB.
 */
function growing(percent: number, minutes = 20): HeapSample[] {
  return Array.from({ length: minutes }, (_, i) => ({
    atMs: (i + 1) * MINUTE_MS,
    heapBytes: (80 * (1 + ((percent / 100) * i) / 60) + Math.sin(i * 2.4) / 2) * MB,
  }))
}

it('a constant heap is flat', () => {
  expect(heapFigures(growing(0))).toMatchObject({ samples: 15, isFlat: true })
  expect(heapFigures(growing(-30)).isFlat).toBe(true)
})

it('growth of more than 5 % an hour is detected, growth of 2 % is not', () => {
  expect(heapFigures(growing(2)).isFlat).toBe(true)
  expect(heapFigures(growing(8)).isFlat).toBe(false)
})

it('a leak of 70 bytes a poll, with a hundred polls a second, is found', () => {
  const perHour = (70 * 100 * 3_600) / (80 * MB)
  expect(heapFigures(growing(perHour * 100)).isFlat).toBe(false)
})

it("two samples while a worker has another worker's partitions do not change the result", () => {
  const samples = growing(0).map((sample, i) =>
    i === 17 || i === 18 ? { ...sample, heapBytes: 160 * MB } : sample,
  )
  expect(heapFigures(samples)).toMatchObject({ isFlat: true })
})

it('the heap while the windows fill does not count', () => {
  const filling = growing(0).map((sample, i) => (i < 5 ? { ...sample, heapBytes: 0 } : sample))
  expect(heapFigures(filling).isFlat).toBe(true)
})

it('a short soak has no result', () => {
  expect(heapFigures(growing(50, 14)).isFlat).toBeNull()
  expect(heapFigures([]).isFlat).toBeNull()
})
