import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import type { Brokers } from '../../src/records/kafka/brokers.ts'
import { Membership } from '../../src/records/kafka/membership.ts'

// A member's life in its group, by brokers that are none.

const { MemberAssignment } = kafkajs.AssignerProtocol

/** A member looks every 5 s. */
const LOOKS = { timeout: 20_000 }

test(
  'heartbeats go on while a broker does not answer how many partitions there are',
  LOOKS,
  async () => {
    const seen: string[] = []
    let check = () => {}
    const heard = (what: string) => {
      seen.push(what)
      check()
    }
    const memberAssignment = MemberAssignment.encode({
      version: 0,
      assignment: {},
      userData: Buffer.alloc(0),
    })
    const coordinator = {
      joinGroup: async () => ({
        generationId: 1,
        memberId: 'me',
        leaderId: 'another',
        members: [],
      }),
      syncGroup: async () => ({ memberAssignment }),
      heartbeat: async () => heard('heartbeat'),
      leaveGroup: async () => {},
    }
    const brokers = {
      cluster: {},
      groupBroker: async () => coordinator,
      partitionsOf: () => [0],
      refresh: () => {
        heard('look')
        return new Promise<void>(() => {})
      },
    }
    const membership = new Membership({
      brokers: brokers as unknown as Brokers,
      group: 'g',
      topics: ['t'],
      sessionTimeoutMs: 90,
      claims: () => ({ generation: -1, owned: [], transactionalId: null }),
      leaving: async () => {},
      confirmed: () => {},
      dealt: async () => {},
      looked: () => heard('looked'),
      expelled: async () => {},
    })
    const running = membership.run()
    await new Promise<void>((resolve) => {
      check = () => {
        const at = seen.indexOf('look')
        if (at >= 0 && seen.length > at + 3) resolve()
      }
    })
    expect(seen.slice(seen.indexOf('look')).slice(1)).toEqual([
      'heartbeat',
      'heartbeat',
      'heartbeat',
    ])
    await membership.leave()
    await running
  },
)
