import { type Request, request } from './request.ts'

// Who coordinates a group or a transactional id, and who is in a group.

/** Whose coordinator: a group's, or a transactional id's. */
export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const TYPES = { group: 0, transaction: 1 } as const

export function findCoordinator({
  type,
  id,
}: Coordinated): Request<{ readonly code: number; readonly nodeId: number }> {
  return request(
    'FindCoordinator',
    { version: 2, isFlexible: false },
    {
      write: (to) => to.string(id).int8(TYPES[type]),
      read: (from) => {
        from.throttle()
        const code = from.int16()
        // The code in words.
        from.string()
        return { code, nodeId: from.int32() }
      },
    },
  )
}

/** A group's state while it waits for its members to join again. */
export const REBALANCING = 'PreparingRebalance'

export interface DescribedMember {
  readonly memberId: string
  readonly clientId: string
  /** The address from which it joined, as the broker sees it and Java writes it: `/10.0.0.7`. */
  readonly clientHost: string
}

export interface DescribedGroup {
  readonly code: number
  /** By Kafka's name, such as {@link REBALANCING}. */
  readonly state: string
  readonly members: readonly DescribedMember[]
  /** A bit for each operation that the user may do, by its number; below 0: not told. */
  readonly operations: number
}

export function describeGroup(group: string): Request<DescribedGroup> {
  return request(
    'DescribeGroups',
    { version: 4, isFlexible: false },
    {
      write: (to) => to.array([group], (name) => to.string(name)).boolean(true),
      read: (from) => {
        from.throttle()
        const [found] = from.array((g) => {
          const code = g.int16()
          // The group's own name.
          g.string()
          const state = g.string() ?? ''
          // Kind of protocol, protocol.
          for (let texts = 0; texts < 2; texts++) g.string()
          const members = g.array((m) => {
            const memberId = m.string() ?? ''
            // The instance's id.
            m.string()
            const clientId = m.string() ?? ''
            const clientHost = m.string() ?? ''
            // What it said when it joined, and what it was given.
            m.bytes()
            m.bytes()
            return { memberId, clientId, clientHost }
          })
          return { code, state, members, operations: g.int32() }
        })
        if (found === undefined) throw new RangeError('the answer is of no group')
        return found
      },
    },
  )
}
