import { expect, test } from 'vitest'
import type { Brokers, Coordinated } from '../../src/records/kafka/brokers.ts'
import { withMark } from '../../src/records/kafka/commit-mark.ts'
import { GroupOffsets } from '../../src/records/kafka/group-offsets.ts'
import { CODE } from '../../src/records/kafka/wire/codes.ts'

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
  const brokers = { askCoordinator } as unknown as Brokers
  return { offsets: new GroupOffsets(brokers, 'g'), shutOut }
}

test('an owner that is not in the group is shut out, and nobody else', async () => {
  const { offsets, shutOut } = group()
  const liveIds = () => new Set(['g-b', 'g-c'])
  await offsets.shutOutTheDead(PARTITIONS, { liveIds, isOwned: () => true })
  expect(shutOut).toEqual(['g-a'])
})

test('one that joined while it was asked for is not: the newest list of the living counts', async () => {
  let living = new Set(['g-c'])
  const { offsets, shutOut } = group({
    whileAsked: () => {
      living = new Set(['g-a', 'g-b', 'g-c'])
    },
  })
  await offsets.shutOutTheDead(PARTITIONS, { liveIds: () => living, isOwned: () => true })
  expect(shutOut).toEqual([])
})

test('nor is the owner of a partition that another one has by now', async () => {
  const { offsets, shutOut } = group()
  const liveIds = () => new Set(['g-c'])
  await offsets.shutOutTheDead(PARTITIONS, { liveIds, isOwned: (of) => of.partition === 1 })
  expect(shutOut).toEqual(['g-b'])
})
