import type { TopicPartition } from '../../port.ts'
import { CODE, type Coded, request } from './protocol.ts'

export interface Coordinated {
  readonly type: 'group' | 'transaction'
  readonly id: string
}

const TYPES = { group: 0, transaction: 1 } as const

export function findCoordinator({ type, id }: Coordinated) {
  return request('FindCoordinator', {
    write: (to) => to.string(id).int8(TYPES[type]),
    read: (from) => {
      const code = from.int16()
      // Error message.
      from.string()
      return { code, nodeId: from.int32() }
    },
  })
}

export const REBALANCING = 'PreparingRebalance'

export interface DescribedMember {
  readonly memberId: string
  readonly clientId: string
  readonly clientHost: string
  /** Its partitions, by the protocol of consumers; empty while the group is rebalancing. */
  readonly assignment: Buffer
}

export function describeGroup(group: string) {
  return request('DescribeGroups', {
    write: (to) => to.array([group], (name) => to.string(name)).boolean(true),
    read: (from) => {
      const [reply] = from.array(() => {
        const code = from.int16()
        // Group id.
        from.string()
        const state = from.string() ?? ''
        // Protocol type and protocol.
        for (let texts = 0; texts < 2; texts++) from.string()
        const members = from.array((): DescribedMember => {
          const memberId = from.string() ?? ''
          // Group instance id.
          from.string()
          const [clientId, clientHost] = [from.string() ?? '', from.string() ?? '']
          // Its subscription.
          from.bytes()
          return { memberId, clientId, clientHost, assignment: from.bytes() }
        })
        return { code, state, members, operations: from.int32() }
      })
      if (reply === undefined) throw new RangeError('the DescribeGroups response contains no group')
      return reply
    },
  })
}

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

export function offsetCommit(
  { group, generationId, memberId }: MemberGeneration,
  offsets: readonly PartitionOffset[],
) {
  return request('OffsetCommit', {
    write: (to) => {
      to.string(group).int32(generationId).string(memberId).string(null)
      to.byTopic(offsets, ({ partition, offset, metadata }) => {
        to.int32(partition).int64(offset).int32(-1).string(metadata)
      })
    },
    read: (from) => {
      const codes = from.byTopic(() => {
        from.int32()
        return from.int16()
      })
      return { code: codes.find((code) => code !== CODE.NONE) ?? CODE.NONE }
    },
  })
}

export interface FetchedOffset extends PartitionOffset, Coded {}

/**
 * Committed offsets; −1: nothing is committed.
 * @param isStable `UNSTABLE_OFFSET_COMMIT` for an offset in an open transaction (KIP-447)
 */
export function offsetFetch(
  group: string,
  partitions: readonly TopicPartition[],
  isStable: boolean,
) {
  return request('OffsetFetch', {
    write: (to) => {
      to.string(group)
      to.byTopic(partitions, ({ partition }) => to.int32(partition))
      to.boolean(isStable)
    },
    read: (from) => {
      const offsets = from.byTopic((topic): FetchedOffset => {
        const [partition, offset] = [from.int32(), from.int64()]
        // Leader epoch.
        from.int32()
        const [metadata, code] = [from.string() ?? '', from.int16()]
        return { topic, partition, offset, metadata, code }
      })
      return { offsets, code: from.int16() }
    },
  })
}
