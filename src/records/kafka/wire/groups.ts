import { type Request, request } from './request.ts'

// FindCoordinator and DescribeGroups.

/** What a coordinator is responsible for: a group or a transactional id. */
export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const TYPES = { group: 0, transaction: 1 } as const

/** FindCoordinator. */
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
        // Error message.
        from.string()
        return { code, nodeId: from.int32() }
      },
    },
  )
}

/** A group's state while it waits for its members to join again. */
export const REBALANCING = 'PreparingRebalance'

/** A member of a group. */
export interface DescribedMember {
  readonly memberId: string
  readonly clientId: string
  /**
   * The address from which it joined, as the broker sees it and in Java's notation: `/10.0.0.7`.
   */
  readonly clientHost: string
}

/** What DescribeGroups returns for a group. */
export interface DescribedGroup {
  readonly code: number
  /** Kafka's name of the state, such as {@link REBALANCING}. */
  readonly state: string
  readonly members: readonly DescribedMember[]
  /** Bit set of the operations that the user may do, by operation number; below 0: not reported. */
  readonly operations: number
}

/** DescribeGroups for one group, with the user's authorized operations. */
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
          // Group id.
          g.string()
          const state = g.string() ?? ''
          // Protocol type and protocol.
          for (let texts = 0; texts < 2; texts++) g.string()
          const members = g.array((m) => {
            const memberId = m.string() ?? ''
            // Group instance id.
            m.string()
            const clientId = m.string() ?? ''
            const clientHost = m.string() ?? ''
            // Its subscription and its assignment.
            m.bytes()
            m.bytes()
            return { memberId, clientId, clientHost }
          })
          return { code, state, members, operations: g.int32() }
        })
        if (found === undefined)
          throw new RangeError('the DescribeGroups response contains no group')
        return found
      },
    },
  )
}
