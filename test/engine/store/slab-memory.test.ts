import { expect, test } from 'vitest'
import { Slabs } from '../../../src/engine/store/slabs.ts'
import { collected } from '../../bench/collected.ts'

test('slabs that are free take nothing beside their room', () => {
  const slabs = new Slabs()
  const takeAndGiveBack = (count: number): void => {
    const taken = Array.from({ length: count }, () => slabs.allocate(8))
    for (const slab of taken) slabs.giveBack(slab, 8)
  }
  const count = 100_000
  // Once without looking: code is compiled meanwhile.
  takeAndGiveBack(1_000)
  const before = collected().heap
  takeAndGiveBack(count)
  expect(collected().heap - before).toBeLessThan(count)
  expect(slabs.bytes).toBe(0)
})
