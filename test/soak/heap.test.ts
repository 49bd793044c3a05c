import { expect, it } from 'vitest'
import { type HeapSample, heapFigures } from './heap.ts'

const MINUTE_MS = 60_000
const MB = 1e6

/**
 * A sample a minute of a heap that grows by so many percent of 80 MB an hour, and wavers by 1 MB.
 */
function growing(percent: number, minutes = 20): HeapSample[] {
  return Array.from({ length: minutes }, (_, i) => ({
    atMs: (i + 1) * MINUTE_MS,
    heapBytes: (80 * (1 + ((percent / 100) * i) / 60) + Math.sin(i * 2.4) / 2) * MB,
  }))
}

it('a heap that stays where it is, is flat', () => {
  expect(heapFigures(growing(0))).toMatchObject({ samples: 15, isFlat: true })
  expect(heapFigures(growing(-30)).isFlat).toBe(true)
})

it('growth of 5 % an hour is told from growth of 2 %', () => {
  expect(heapFigures(growing(2)).isFlat).toBe(true)
  expect(heapFigures(growing(8)).isFlat).toBe(false)
})

it('a leak of 70 bytes a poll, with a hundred polls a second, is found', () => {
  const perHour = (70 * 100 * 3_600) / (80 * MB)
  expect(heapFigures(growing(perHour * 100)).isFlat).toBe(false)
})

it('two looks at a worker that held the partitions of another do not bend it', () => {
  const samples = growing(0).map((sample, i) =>
    i === 17 || i === 18 ? { ...sample, heapBytes: 160 * MB } : sample,
  )
  expect(heapFigures(samples)).toMatchObject({ isFlat: true })
})

it('what it holds while its windows fill does not count', () => {
  const filling = growing(0).map((sample, i) => (i < 5 ? { ...sample, heapBytes: 0 } : sample))
  expect(heapFigures(filling).isFlat).toBe(true)
})

it('of a short soak nothing is said', () => {
  expect(heapFigures(growing(50, 14)).isFlat).toBeNull()
  expect(heapFigures([]).isFlat).toBeNull()
})
