import type { TopicPartition } from '../../port.ts'
import { topicsOf } from './by-topic.ts'
import { CODE } from './codes.ts'
import { type Request, request } from './request.ts'
import type { GroupMember, PartitionOffset } from './transactions.ts'

// OffsetCommit outside of transactions, and OffsetFetch.

/**
 * OffsetCommit.
 * @returns the first error code, if any
 */
export function offsetCommit(
  { group, generationId, memberId }: GroupMember,
  offsets: readonly PartitionOffset[],
): Request<number> {
  return request(
    'OffsetCommit',
    { version: 7, isFlexible: false },
    {
      write: (to) => {
        to.string(group).int32(generationId).string(memberId).string(null)
        to.array(topicsOf(offsets), ([topic, of]) => {
          to.string(topic).array(of, ({ partition, offset, metadata }) => {
            to.int32(partition).int64(offset).int32(-1).string(metadata)
          })
        })
      },
      read: (from) => {
        from.throttle()
        const codes = from.array((t) => {
          t.string()
          return t.array((p) => {
            p.int32()
            return p.int16()
          })
        })
        return codes.flat().find((code) => code !== CODE.NONE) ?? CODE.NONE
      },
    },
  )
}

/** A committed offset as the coordinator returns it. */
export interface FetchedOffset extends PartitionOffset {
  readonly code: number
}

/**
 * OffsetFetch: committed offsets; −1: nothing is committed.
 * @param isStable a partition with an offset in an open transaction is answered with
 * `UNSTABLE_OFFSET_COMMIT` (KIP-447), and not with its last committed offset
 */
export function offsetFetch(
  group: string,
  partitions: readonly TopicPartition[],
  isStable: boolean,
): Request<{ readonly code: number; readonly offsets: readonly FetchedOffset[] }> {
  return request(
    'OffsetFetch',
    { version: 7, isFlexible: true },
    {
      write: (to) => {
        to.string(group)
        to.array(topicsOf(partitions), ([topic, of]) => {
          to.string(topic).array(of, ({ partition }) => to.int32(partition))
          to.endStruct()
        })
        to.boolean(isStable)
      },
      read: (from) => {
        from.throttle()
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
    },
  )
}
