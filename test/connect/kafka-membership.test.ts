import kafkajs from 'kafkajs'
import { beforeEach, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { Membership, type MembershipOptions } from '../../src/connect/kafka/group/membership.ts'
import { encodeMemberMetadata } from '../../src/connect/kafka/group/sticky-assigner.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

// A member's life in its group, by brokers that are none.

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

const NOTHING = { generation: -1, owned: [], transactionalId: null, address: null }

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

function membershipOf(brokers: object, options: Partial<MembershipOptions>): Membership {
  return new Membership({
    brokers: { clock, random: longestWaits, ...brokers } as unknown as Brokers,
    group: 'g',
    topics: ['t'],
    sessionTimeoutMs: 90,
    metadata: () => NOTHING,
    leaving: async () => {},
    confirmed: () => {},
    assigned: async () => {},
    ended: () => {},
    looked: () => {},
    expelled: async () => {},
    ...options,
  })
}

/** A member looks so often how many partitions there are. */
const LOOK_MS = 5_000

test('heartbeats go on while a broker does not answer how many partitions there are', async () => {
  const seen: string[] = []
  const memberAssignment = MemberAssignment.encode({
    version: 0,
    assignment: {},
    userData: Buffer.alloc(0),
  })
  const coordinator = {
    joinGroup: async () => ({ generationId: 1, memberId: 'me', leaderId: 'another', members: [] }),
    syncGroup: async () => ({ memberAssignment }),
    heartbeat: async () => seen.push('heartbeat'),
    leaveGroup: async () => {},
  }
  const brokers = {
    cluster: {},
    groupBroker: async () => coordinator,
    map: { partitionsOf: () => [0] },
    refresh: () => {
      seen.push('look')
      return new Promise<void>(() => {})
    },
  }
  const membership = membershipOf(brokers, { looked: () => seen.push('looked') })
  const running = membership.run()
  await clock.pass(LOOK_MS + 200)
  expect(seen.slice(seen.indexOf('look')).slice(0, 4)).toEqual([
    'look',
    'heartbeat',
    'heartbeat',
    'heartbeat',
  ])
  await membership.leave()
  await running
})

test('partitions that are heard of while others are assigned are assigned out next', async () => {
  const assigned: (readonly number[])[] = []
  let partitions = [0]
  const memberMetadata = MemberMetadata.encode({
    version: 0,
    // Another topic than the leader's own, which it has to ask for.
    topics: ['t', 'u'],
    userData: encodeMemberMetadata(NOTHING),
  })
  const coordinator = {
    joinGroup: async () => ({
      ...{ generationId: assigned.length + 1, memberId: 'me', leaderId: 'me' },
      ...{ groupProtocol: 'tidemark-sticky', members: [{ memberId: 'me', memberMetadata }] },
    }),
    syncGroup: async (of: { groupAssignment: readonly { memberAssignment: Buffer }[] }) => {
      const [{ memberAssignment } = { memberAssignment: Buffer.alloc(0) }] = of.groupAssignment
      assigned.push(MemberAssignment.decode(memberAssignment)?.assignment['t'] ?? [])
      return { memberAssignment }
    },
    heartbeat: async () => {},
    leaveGroup: async () => {},
  }
  const brokers = {
    cluster: {},
    groupBroker: async () => coordinator,
    map: { partitionsOf: () => partitions },
    refresh: async () => {},
    learn: async ([topic]: readonly string[]) => {
      if (topic === 'u') partitions = [0, 1]
    },
  }
  const membership = membershipOf(brokers, {})
  const running = membership.run()
  await clock.pass(LOOK_MS)
  expect(assigned).toEqual([[0], [0, 1]])
  await membership.leave()
  await running
})

test('a member that starts over has left its group, and is asked about before it joins again', async () => {
  const told: string[] = []
  const coordinator = {
    joinGroup: async () => {
      told.push('join')
      return { generationId: 1, memberId: 'me', leaderId: 'another', members: [] }
    },
    syncGroup: async () => ({
      memberAssignment: MemberAssignment.encode({
        ...{ version: 0, assignment: {}, userData: Buffer.alloc(0) },
      }),
    }),
    heartbeat: async () => {},
    leaveGroup: async () => void told.push('leave'),
  }
  const lost = new TidemarkError('WORKER_NAME_LOST', 'it is taken')
  const membership = membershipOf(
    { cluster: {}, groupBroker: async () => coordinator },
    {
      assigned: async () => membership.startOver(),
      expelled: async () => {
        told.push('expelled')
        if (told.length > 3) throw lost
      },
    },
  )
  const failure = thrownBy(membership.run())
  await clock.pass(1_000)
  expect(await failure).toBe(lost)
  expect(told).toEqual(['join', 'leave', 'expelled', 'join', 'leave', 'expelled'])
})

test('that a generation is over is told before the member asks to join the next one', async () => {
  const told: string[] = []
  let beat = () => {}
  const coordinator = {
    joinGroup: async () => {
      told.push('join')
      return { generationId: 1, memberId: 'me', leaderId: 'another', members: [] }
    },
    syncGroup: async () => ({
      memberAssignment: MemberAssignment.encode({
        ...{ version: 0, assignment: {}, userData: Buffer.alloc(0) },
      }),
    }),
    heartbeat: async () => beat(),
    leaveGroup: async () => {},
  }
  const membership = membershipOf(
    { cluster: {}, groupBroker: async () => coordinator },
    {
      leaving: async () => void told.push('leaving'),
      assigned: async () => void told.push('assigned'),
      ended: () => told.push('ended'),
      expelled: async () => void told.push('expelled'),
    },
  )
  const running = membership.run()
  const of = (type: string) => {
    throw Object.assign(new Error(type), { type })
  }
  await clock.pass(1_000)
  expect(told.splice(0)).toEqual(['leaving', 'join', 'assigned'])
  beat = () => of('REBALANCE_IN_PROGRESS')
  await clock.pass(30)
  expect(told.splice(0)).toEqual(['ended'])
  beat = () => {}
  await clock.pass(1_000)
  expect(told.splice(0)).toEqual(['leaving', 'join', 'assigned'])
  beat = () => of('UNKNOWN_MEMBER_ID')
  await clock.pass(30)
  expect(told.splice(0)).toEqual(['ended', 'expelled'])
  await membership.leave()
  await running
})
