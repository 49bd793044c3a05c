import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Backoff } from '../../src/kernel/random.ts'
import { longestWaits } from '../support/clocks.ts'

const RANGE = { firstMs: 100, lastMs: 1_000 }

function waits(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.nextMs())
}

test('the longest wait doubles from failure to failure, up to the last', () => {
  const backoff = new Backoff(RANGE, longestWaits)
  expect(waits(backoff, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000])
})

test('what has succeeded waits as at first when it fails again', () => {
  const backoff = new Backoff(RANGE, longestWaits)
  waits(backoff, 3)
  backoff.reset()
  expect(waits(backoff, 2)).toEqual([100, 200])
})

test('waits are spread over all of the time, so that nobody comes back together', () => {
  const tenths = Array.from({ length: 10 }, (_, i) => new Backoff(RANGE, () => i / 10).nextMs())
  expect(tenths).toEqual([1, 11, 21, 31, 41, 51, 61, 71, 81, 91])
})

test('however often it fails, a wait is whole and lasts from 1 ms to the last', () => {
  const fails = fc.integer({ min: 1, max: 2_000 })
  const drawn = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fails, drawn, (count, random) => {
      const last = waits(new Backoff(RANGE, () => random), count).at(-1) as number
      return Number.isInteger(last) && last >= 1 && last <= RANGE.lastMs
    }),
  )
})
