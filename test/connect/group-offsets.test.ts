import { describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { GroupOffsets, withMark } from '../../src/connect/kafka/group/group-offsets.ts'
import type { Owned } from '../../src/connect/kafka/group/positions.ts'
import type { Coordinated, FetchedOffset } from '../../src/connect/kafka/wire/groups.ts'
import { CODE, type Request } from '../../src/connect/kafka/wire/protocol.ts'
import type { TopicPartition } from '../../src/connect/port.ts'
import { sleeplessClock } from '../support/clocks.ts'

const PARTITIONS = [0, 1].map((partition) => ({ topic: 'events', partition }))

/** A group in which worker `g-a` has committed partition 0, and `g-b` partition 1. */
function group({ whileAsked = () => {} }: { whileAsked?: () => void } = {}) {
  const shutOut: string[] = []
  const offsets = PARTITIONS.map((of, i) => {
    const mark = { transactionalId: i === 0 ? 'g-a' : 'g-b', memberId: 'm', number: 1 }
    return { ...of, offset: 5, metadata: withMark(mark, 'g', ''), code: CODE.NONE }
  })
  const askCoordinator = async ({ type, id }: Coordinated) => {
    if (type === 'group') {
      whileAsked()
      return { code: CODE.NONE, offsets }
    }
    shutOut.push(id)
    return { code: CODE.NONE, producer: { id: 1, epoch: 1 } }
  }
  const brokers = { clock: sleeplessClock(), askCoordinator } as unknown as Brokers
  return { offsets: new GroupOffsets(brokers, 'g'), shutOut }
}

test('an owner that is not in the group is shut out, and nobody else', async () => {
  const { offsets, shutOut } = group()
  const liveIds = () => new Set(['g-b', 'g-c'])
  await offsets.fenceDeadOwners(PARTITIONS, { liveIds, isOwned: () => true })
  expect(shutOut).toEqual(['g-a'])
})

test('one that joined while it was asked for is not: the newest list of the living counts', async () => {
  let living = new Set(['g-c'])
  const { offsets, shutOut } = group({
    whileAsked: () => {
      living = new Set(['g-a', 'g-b', 'g-c'])
    },
  })
  await offsets.fenceDeadOwners(PARTITIONS, { liveIds: () => living, isOwned: () => true })
  expect(shutOut).toEqual([])
})

test('nor is the owner of a partition that another one has by now', async () => {
  const { offsets, shutOut } = group()
  const liveIds = () => new Set(['g-c'])
  await offsets.fenceDeadOwners(PARTITIONS, { liveIds, isOwned: (of) => of.partition === 1 })
  expect(shutOut).toEqual(['g-b'])
})

test('one that is not wanted any more holds up none of the others', async () => {
  const asked: number[] = []
  const askCoordinator = async (_: Coordinated, { body }: Request<unknown>) => {
    asked.push(Buffer.concat(body).length)
    const open = asked.length === 1 ? PARTITIONS : PARTITIONS.slice(0, 1)
    const code = asked.length === 1 ? CODE.UNSTABLE_OFFSET_COMMIT : CODE.NONE
    return {
      code: CODE.NONE,
      offsets: open.map((of) => ({ ...of, offset: 5, metadata: '', code })),
    }
  }
  const offsets = new GroupOffsets(
    { clock: sleeplessClock(), askCoordinator } as unknown as Brokers,
    'g',
  )
  const isWanted = ({ partition }: TopicPartition) => partition === 0 || asked.length === 0
  const stable = await offsets.stable(PARTITIONS, isWanted)
  expect([...(stable?.keys() ?? [])]).toEqual(['events-0'])
  expect(asked[1]).toBeLessThan(asked[0] ?? 0)
})

describe('partitions for which the group has what was last stored', () => {
  const owned = (partition: number, offset: number, metadata: string) =>
    ({ topic: 'events', partition, stored: { offset, metadata } }) as Owned

  /**
   * A group that answers the first question with the first of the lists, and so on; the last one
   * again and again.
   */
  function answering(...lists: (readonly Partial<FetchedOffset>[])[]) {
    let asked = 0
    const askCoordinator = async () => {
      const list = lists[Math.min(asked++, lists.length - 1)] ?? []
      const offsets = list.map((of) => ({ topic: 'events', code: CODE.NONE, ...of }))
      return { code: CODE.NONE, offsets }
    }
    return new GroupOffsets({ clock: sleeplessClock(), askCoordinator } as unknown as Brokers, 'g')
  }

  test('are those of the same offset and metadata', async () => {
    const held = [owned(0, 5, 'a'), owned(1, 5, 'a'), owned(2, 5, 'a'), owned(3, -1, '')]
    const answers = answering([
      { partition: 0, offset: 5, metadata: 'a' },
      { partition: 1, offset: 6, metadata: 'a' },
      { partition: 2, offset: 5, metadata: 'b' },
      { partition: 3, offset: -1, metadata: '' },
    ])
    const unchanged = await answers.unchanged(held, 1_000)
    expect(unchanged.map(({ partition }) => partition)).toEqual([0, 3])
  })

  test('are known when the transactions over them have ended, and not before', async () => {
    const code = CODE.UNSTABLE_OFFSET_COMMIT
    const first = [
      { partition: 0, offset: 5, metadata: 'a', code },
      { partition: 1, offset: 5, metadata: 'a', code },
    ]
    const ended = { partition: 0, offset: 5, metadata: 'a' }
    const answers = answering(first, [ended, { partition: 1, offset: 5, metadata: 'a', code }])
    const unchanged = await answers.unchanged([owned(0, 5, 'a'), owned(1, 5, 'a')], 100)
    expect(unchanged.map(({ partition }) => partition)).toEqual([0])
  })

  test('are none where nothing was stored, or nothing is answered', async () => {
    const unknown = { topic: 'events', partition: 0, stored: null } as unknown as Owned
    const answers = answering([{ partition: 0, offset: -1, metadata: '' }])
    expect(await answers.unchanged([unknown, owned(1, 5, 'a')], 1_000)).toEqual([])
  })
})
