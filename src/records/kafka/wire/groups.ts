import type { TopicPartition } from '../../port.ts'
import { CODE, classic, flexible, type Request, request, topicsOf } from './protocol.ts'

// FindCoordinator, DescribeGroups, OffsetCommit outside of transactions, and OffsetFetch.

/** A group or a transactional id, which has a coordinator. */
export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const TYPES = { group: 0, transaction: 1 } as const

export function findCoordinator({
  type,
  id,
}: Coordinated): Request<{ readonly code: number; readonly nodeId: number }> {
  return request('FindCoordinator', classic(2), {
    write: (to) => to.string(id).int8(TYPES[type]),
    read: (from) => {
      const code = from.int16()
      // Error message.
      from.string()
      return { code, nodeId: from.int32() }
    },
  })
}

/** A group's state while it waits for its members to join again. */
export const REBALANCING = 'PreparingRebalance'

export interface DescribedMember {
  readonly memberId: string
  readonly clientId: string
  /** Address of the member as the broker sees it, in Java's notation: `/10.0.0.7`. */
  readonly clientHost: string
}

interface DescribedGroup {
  readonly code: number
  /** Kafka's name, such as {@link REBALANCING}. */
  readonly state: string
  readonly members: readonly DescribedMember[]
  /** Bit set of the operations that the user may do, by operation number; below 0: not reported. */
  readonly operations: number
}

export function describeGroup(group: string): Request<DescribedGroup> {
  return request('DescribeGroups', classic(4), {
    write: (to) => to.array([group], (name) => to.string(name)).boolean(true),
    read: (from) => {
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
      if (found === undefined) throw new RangeError('the DescribeGroups response contains no group')
      return found
    },
  })
}

/** A membership of a group in one generation. */
export interface Generation {
  readonly generationId: number
  readonly memberId: string
}

export interface MemberGeneration extends Generation {
  readonly group: string
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

/** @returns the first error code */
export function offsetCommit(
  { group, generationId, memberId }: MemberGeneration,
  offsets: readonly PartitionOffset[],
): Request<number> {
  return request('OffsetCommit', classic(7), {
    write: (to) => {
      to.string(group).int32(generationId).string(memberId).string(null)
      to.array(topicsOf(offsets), ([topic, of]) => {
        to.string(topic).array(of, ({ partition, offset, metadata }) => {
          to.int32(partition).int64(offset).int32(-1).string(metadata)
        })
      })
    },
    read: (from) => {
      const codes = from.array((t) => {
        t.string()
        return t.array((p) => {
          p.int32()
          return p.int16()
        })
      })
      return codes.flat().find((code) => code !== CODE.NONE) ?? CODE.NONE
    },
  })
}

export interface FetchedOffset extends PartitionOffset {
  readonly code: number
}

/**
 * Committed offsets; −1: nothing is committed.
 * @param isStable a partition with an offset in an open transaction is answered with
 * `UNSTABLE_OFFSET_COMMIT` (KIP-447), not with its last committed offset
 */
export function offsetFetch(
  group: string,
  partitions: readonly TopicPartition[],
  isStable: boolean,
): Request<{ readonly code: number; readonly offsets: readonly FetchedOffset[] }> {
  return request('OffsetFetch', flexible(7), {
    write: (to) => {
      to.string(group)
      to.array(topicsOf(partitions), ([topic, of]) => {
        to.string(topic).array(of, ({ partition }) => to.int32(partition))
        to.endStruct()
      })
      to.boolean(isStable)
    },
    read: (from) => {
      const topics = from.array((t) => {
        const topic = t.string() ?? ''
        const offsets = t.array((p) => {
          const [partition, offset] = [p.int32(), p.int64()]
          // Leader epoch.
          p.int32()
          const [metadata, code] = [p.string() ?? '', p.int16()]
          p.endStruct()
          return { topic, partition, offset, metadata, code }
        })
        t.endStruct()
        return offsets
      })
      return { offsets: topics.flat(), code: from.int16() }
    },
  })
}
