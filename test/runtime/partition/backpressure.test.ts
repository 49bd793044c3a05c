import { expect, test } from 'vitest'
import { Backpressure } from '../../../src/runtime/partition/tasks.ts'

const MIB = 2 ** 20

/** Partitions of a worker whose budget is so many MiB. */
function flowing(budget: number, count: number) {
  const backpressure = new Backpressure(budget * MIB)
  const stopped = new Set<number>()
  const pausable = {
    pause: ({ partition }: { partition: number }) => void stopped.add(partition),
    resume: ({ partition }: { partition: number }) => void stopped.delete(partition),
  }
  const all = Array.from({ length: count }, (_, partition) => ({
    partition: { topic: 'events', partition },
    bytesInFlight: 0,
    bytesToCommit: 0,
    pausable,
  }))
  const set = (n: number, mib: number, toCommit = mib) => {
    const bytes = { bytesInFlight: mib * MIB, bytesToCommit: toCommit * MIB }
    Object.assign(all[n] as (typeof all)[number], bytes)
  }
  return { backpressure, all, stopped, set, adjust: () => backpressure.adjust(all) }
}

test('a partition is stopped at 16 MiB, and flows again at half of that', () => {
  const { backpressure, stopped, set, adjust } = flowing(256, 2)
  set(0, 15.9)
  expect(adjust()).toBe(false)
  set(0, 16)
  expect(adjust()).toBe(true)
  expect([...stopped]).toEqual([0])
  expect(backpressure.isHeldUp).toBe(true)
  set(0, 8.1)
  adjust()
  expect([...stopped]).toEqual([0])
  set(0, 8)
  adjust()
  expect([...stopped]).toEqual([])
  expect(backpressure.isHeldUp).toBe(false)
})

test('where many partitions are full, all together keep to the budget', () => {
  const { all, stopped, set, adjust } = flowing(100, 24)
  for (let round = 0; round < 500; round++) {
    for (const [n] of all.entries()) {
      if (stopped.has(n)) continue
      set(n, (all[n]?.bytesInFlight ?? 0) / MIB + 0.1)
      adjust()
    }
  }
  expect(stopped.size).toBe(24)
  const used = all.reduce((sum, { bytesInFlight }) => sum + bytesInFlight, 0) / MIB
  expect(used).toBeLessThanOrEqual(100)
  expect(used).toBeGreaterThan(90)
})

test('what others do not use is lent, and comes back', () => {
  const { stopped, set, adjust } = flowing(20, 2)
  set(0, 9)
  adjust()
  expect([...stopped]).toEqual([])
  // The other one gets full: 9 and 6 leave 5, which is less than either has.
  set(1, 6)
  adjust()
  expect([...stopped]).toEqual([0, 1])
})

test('nothing more comes while the budget is used up, not even to a partition that has nothing', () => {
  const { stopped, set, adjust } = flowing(10, 2)
  set(0, 30)
  adjust()
  expect([...stopped].toSorted((a, b) => a - b)).toEqual([0, 1])
  set(0, 0)
  adjust()
  expect([...stopped]).toEqual([])
})

test('one that is gone holds up nobody', () => {
  const { backpressure, all, set, adjust } = flowing(256, 1)
  set(0, 17)
  adjust()
  backpressure.forget(all[0] as (typeof all)[number])
  expect(backpressure.isHeldUp).toBe(false)
})

test('one that is read again, or goes slowly, waits for no commit', () => {
  const { backpressure, stopped, set, adjust } = flowing(256, 2)
  set(0, 16, 2)
  expect(adjust()).toBe(false)
  expect([...stopped]).toEqual([0])
  expect(backpressure.isHeldUp).toBe(false)
  set(1, 16, 12)
  expect(adjust()).toBe(true)
  expect(backpressure.isHeldUp).toBe(true)
})
