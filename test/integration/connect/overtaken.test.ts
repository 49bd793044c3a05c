import { describe, expect } from 'vitest'
import type { Listener } from '../../connect/listener.ts'
import { until } from '../../services/cluster.ts'
import { API } from '../../services/faulty-wire.ts'
import { LONG_SESSION_MS } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { commitUntilTaken, type Transacting, transacting } from './transacting.ts'

// A group that assigns its partitions once more before a member has heard what it got.

const PARTITIONS = 6

/** Resolves when the group waits for its members to join again. */
function dealsAnew({ admin, group }: Transacting): Promise<void> {
  const isAsked = async () => {
    const { groups } = await admin.describeGroups([group])
    return groups[0]?.state === 'PreparingRebalance'
  }
  return until('about to rebalance', isAsked)
}

const epochs = (heard: Listener) =>
  new Map(heard.assignments.map(({ partition, epoch }) => [partition, epoch]))

describe('a member that missed a generation', () => {
  for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
    ownKafkaTest(`as leader keeps what an even share leaves to it: ${guarantee}`, async (kafka) => {
      const set = await transacting(kafka, PARTITIONS)
      const direct = { brokers: kafka.service.brokers }
      const one = await set.join({ sessionTimeoutMs: LONG_SESSION_MS }, guarantee)
      const before = epochs(one.heard)
      for (const partition of before.keys()) {
        await one.member.commit(set.commitOf(one.heard, 1, partition))
      }
      const sync = set.wire.hold(API.syncGroup)
      const second = set.join(direct, guarantee)
      await sync.happened
      const third = set.join(direct, guarantee)
      await dealsAnew(set)
      sync.release()
      const others = await Promise.all([second, third])
      await one.heard.until(() => one.heard.losses.length >= 4)
      for (const { heard } of others) await heard.until(() => heard.assignments.length >= 2)
      expect(one.heard.losses).toHaveLength(4)
      expect(new Set(one.heard.whys)).toEqual(new Set(['revoked']))
      expect(epochs(one.heard)).toEqual(before)
      const lost = new Set(one.heard.losses.map(({ partition }) => partition))
      for (const partition of before.keys()) {
        if (lost.has(partition)) continue
        await commitUntilTaken(one.member, () => set.commitOf(one.heard, 2, partition))
        await set.reaches(2, partition)
      }
    })
  }

  ownKafkaTest('keeps what nobody committed for meanwhile, whoever had it', async (kafka) => {
    const set = await transacting(kafka, 2 * PARTITIONS)
    const direct = { brokers: kafka.service.brokers }
    await set.join(direct)
    // Nothing is heard of it for as long as others come, work and go.
    const { heard } = await set.join({ sessionTimeoutMs: LONG_SESSION_MS })
    await heard.until(() => heard.assignments.length === 6)
    const before = epochs(heard)
    const read = () => [...before.keys()].flatMap((partition) => heard.values(partition)).length
    await heard.until(() => read() === 60)
    const missed = set.wire.hold(API.syncGroup)
    const third = await set.join(direct)
    await missed.happened
    await third.heard.until(() => third.heard.assignments.length === 4)
    const had = third.heard.assignments.filter(({ partition }) => before.has(partition))
    expect(had).toHaveLength(2)
    const taken = had[0]?.partition as number
    await commitUntilTaken(third.member, () => set.commitOf(third.heard, 5, taken))
    await third.member.leave()
    await dealsAnew(set)
    missed.release()
    await heard.until(() => heard.assignments.length === 7)
    expect(heard.losses).toEqual([{ topic: set.topic, partition: taken }])
    expect(heard.whys).toEqual(['expelled'])
    expect(heard.assignment(taken)).toMatchObject({ nextOffset: 5 })
    for (const [partition, epoch] of before) {
      if (partition !== taken) expect(epochs(heard).get(partition)).toBe(epoch)
    }
    await heard.until(() => read() === 65)
  })
})
