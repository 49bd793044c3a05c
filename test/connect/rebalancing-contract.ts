import { expect } from 'vitest'
import type { Guarantee } from '../../src/connect/port.ts'
import { commitOffsets, commitPassed, type DefineTest, join, next, numbered } from './driver.ts'

// The promises of every driver for a group whose members come and go.

export function rebalancingTests(test: DefineTest): void {
  test('a kept partition goes on at its own position, neither repeated nor skipped', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const { member: one, heard: first } = await join({ driver, group, topic })
    await first.until(() => first.values(0).length === 4 && first.values(1).length === 4)
    const { member: two, heard: second } = await join({ driver, group, topic })
    await first.until(() => first.losses.length === 1)
    await second.until(() => second.chunks.length > 0)
    const moved = second.assignments[0]?.partition ?? 0
    const kept = 1 - moved
    // Nothing was committed: the one that moved begins again, the one that stayed does not.
    expect(second.values(moved)).toEqual(['0', '1', '2', '3'])
    await driver.produce(numbered(topic, kept, 2))
    await first.until(() => first.values(kept).length > 4)
    await first.until(() => first.hasReached(6, kept))
    expect(first.values(kept)).toEqual(['0', '1', '2', '3', '0', '1'])
    expect(first.assignments.filter((a) => a.partition === kept)).toHaveLength(1)
    await two.leave()
    await one.leave()
  })

  test('only what an even share asks for moves; the rest keeps epoch, position and pause', async (driver) => {
    const topic = await driver.createTopic(5)
    const group = driver.freshGroup()
    const { member: one, heard: first } = await join({ driver, group, topic })
    const before = [0, 1, 2, 3, 4].map((p) => first.assignment(p).epoch)
    for (const partition of before.keys()) one.pause({ topic, partition })
    const { member: two, heard: second } = await join({ driver, group, topic })
    await first.until(() => first.losses.length === 2)
    await second.until(() => second.assignments.length === 2)
    const moved = first.losses.map((p) => p.partition).toSorted((a, b) => a - b)
    expect(second.assignments.map((a) => a.partition)).toEqual(moved)
    await driver.produce(before.flatMap((_, p) => numbered(topic, p, 3)))
    await second.until(() => moved.every((p) => second.values(p).length === 3))
    expect(first.chunks).toEqual([])
    await two.leave()
    await first.until(() => first.assignments.length === 7)
    const kept = [0, 1, 2, 3, 4].filter((p) => !moved.includes(p))
    for (const partition of kept) one.resume({ topic, partition })
    await first.until(() => before.every((_, p) => first.values(p).length === 3))
    expect(first.losses).toHaveLength(2)
    for (const p of kept) expect(first.assignment(p).epoch).toBe(before[p])
    for (const { partition, epoch } of first.chunks) {
      expect(epoch).toBe(first.assignment(partition).epoch)
    }
    await one.leave()
  })
}

export function rebalancedCommitTests(test: DefineTest, guarantee: Guarantee): void {
  test('two members share the partitions; what one has lost it cannot commit', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const { member: one, heard: first } = await join({ driver, group, topic, guarantee })
    await first.until(() => first.values(0).length === 4 && first.values(1).length === 4)
    const [of0, of1] = [first.assignment(0), first.assignment(1)]
    const { member: two, heard: second } = await join({ driver, group, topic, guarantee })
    await first.until(() => first.losses.length === 1)
    await second.until(() => second.assignments.length === 1)
    const moved = second.assignments[0]?.partition
    expect(first.losses).toEqual([{ topic, partition: moved }])
    expect(first.whys).toEqual(['revoked'])
    const nextOffsets = [next(of0, 4, 'one'), next(of1, 4, 'one')]
    await commitPassed(guarantee, one, { outputs: [], deadLetters: [], nextOffsets })
    const kept = nextOffsets.filter((offset) => offset.partition !== moved)
    if (guarantee === 'exactly-once') await commitOffsets(one, ...kept)
    await one.leave()
    await two.leave()
    const { member: three, heard: third } = await join({ driver, group, topic, guarantee })
    const offsets = [0, 1].map((p) => third.assignment(p).nextOffset)
    expect(offsets).toEqual(moved === 0 ? [0, 4] : [4, 0])
    await three.leave()
  })

  test('leaving hands the partitions over at the committed offsets, under a new epoch', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const { member: one, heard: first } = await join({ driver, group, topic, guarantee })
    const { member: two, heard: second } = await join({ driver, group, topic, guarantee })
    await first.until(() => first.losses.length === 1)
    await second.until(() => second.assignments.length === 1)
    const moved = second.assignments[0]?.partition ?? 0
    await second.until(() => second.values(moved).length === 4)
    await commitOffsets(two, next(second.assignment(moved), 3, 'two'))
    await two.leave()
    await first.until(() => first.assignments.length === 3)
    const back = first.assignment(moved)
    expect(back).toMatchObject({ nextOffset: 3, metadata: 'two' })
    expect(back.epoch).toBeGreaterThan(second.assignment(moved).epoch)
    await first.until(() => first.values(moved).at(-1) === '3')
    // Under the epoch that has passed nothing is committed.
    const nextOffsets = [{ ...next(back, 4), epoch: back.epoch - 1 }]
    await commitPassed(guarantee, one, { outputs: [], deadLetters: [], nextOffsets })
    await one.leave()
    const { member: three, heard: third } = await join({ driver, group, topic, guarantee })
    expect(third.assignment(moved).nextOffset).toBe(3)
    await three.leave()
  })
}
