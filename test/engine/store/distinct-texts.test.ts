import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LatestTimes } from '../../../src/engine/store/distinct-texts.ts'
import { Slabs } from '../../../src/engine/store/slabs.ts'
import { HASH } from '../../support/hash.ts'

test('gives the time that was last set for a text, unless it has been pruned', () => {
  const sets = fc.array(fc.record({ text: fc.nat(200), aheadMs: fc.nat(3) }), {
    maxLength: 500,
    size: 'max',
  })
  fc.assert(
    fc.property(sets, fc.integer({ min: 1, max: 400 }), (all, windowMs) => {
      const times = new LatestTimes(new Slabs(), HASH)
      const plain = new Map<number, number>()
      let timeMs = 0
      for (const { text, aheadMs } of all) {
        timeMs += aheadMs
        times.set(text, timeMs, timeMs - windowMs)
        plain.set(text, timeMs)
      }
      const prunedMs = timeMs - windowMs
      const texts = Array.from({ length: 201 }, (_text, text) => text)
      const kept = (ms = Number.NEGATIVE_INFINITY) => (ms > prunedMs ? ms : 'pruned')
      expect(texts.map((text) => kept(times.of(text)))).toEqual(
        texts.map((text) => kept(plain.get(text))),
      )
    }),
  )
})

test('takes the room of the texts of a window, not of all there ever were', () => {
  const times = new LatestTimes(new Slabs(), HASH)
  for (let i = 0; i < 100_000; i++) times.set(i, i, i - 50)
  expect(times.numbers).toBeLessThanOrEqual(1_024)
})
