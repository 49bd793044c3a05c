import type { TopicPartition } from '../../port.ts'
import { topicsOf } from './by-topic.ts'
import { type Request, request } from './request.ts'

// ListOffsets and OffsetForLeaderEpoch: where logs begin and end, and where the records of a leader
// epoch end. Both go to the partition's leader.

/**
 * Which offset to look up. `low`: that of the first record. `stable`: the end for a reader of
 * committed records (last stable offset). A number: that of the first record whose timestamp is not
 * before it, ms since the epoch; −1 when there is none.
 */
export type LogEnd = 'low' | 'stable' | number

const TIMESTAMPS = { low: -2, stable: -1 } as const
const READ_COMMITTED = 1

/**
 * A partition and the leader epoch that this client knows; −1: not known. A broker that knows
 * another epoch answers with an error.
 */
export interface Led extends TopicPartition {
  readonly leaderEpoch: number
}

/** What ListOffsets returns for a partition. */
export interface ListedOffset extends TopicPartition {
  readonly code: number
  readonly offset: number
}

/** ListOffsets for some partitions of one leader. */
export function listOffsets(
  partitions: readonly Led[],
  end: LogEnd,
): Request<readonly ListedOffset[]> {
  return request(
    'ListOffsets',
    { version: 5, isFlexible: false },
    {
      write: (to) => {
        // Replica id: a client has none.
        to.int32(-1).int8(READ_COMMITTED)
        to.array(topicsOf(partitions), ([topic, of]) => {
          to.string(topic).array(of, ({ partition, leaderEpoch }) => {
            to.int32(partition).int32(leaderEpoch)
            to.int64(typeof end === 'number' ? end : TIMESTAMPS[end])
          })
        })
      },
      read: (from) => {
        from.throttle()
        const topics = from.array((t) => {
          const topic = t.string() ?? ''
          return t.array((p) => {
            const [partition, code] = [p.int32(), p.int16()]
            // Timestamp of the record.
            p.int64()
            const offset = p.int64()
            // Leader epoch of the record.
            p.int32()
            return { topic, partition, code, offset }
          })
        })
        return topics.flat()
      },
    },
  )
}

/** A partition and the epoch whose end is looked up. */
export interface EpochPosition extends TopicPartition {
  /** The leader epoch that this client knows. */
  readonly currentEpoch: number
  /** Leader epoch of the last record that was read. */
  readonly epoch: number
}

/** What OffsetForLeaderEpoch returns for a partition. */
export interface EpochEnd extends TopicPartition {
  readonly code: number
  /** The newest epoch that is not above the requested one; −1: the leader knows of none. */
  readonly epoch: number
  /** End offset of the records of that epoch; −1: not known. */
  readonly endOffset: number
}

/**
 * OffsetForLeaderEpoch: where the leader's log ends for the epoch of the last read record
 * (KIP-320).
 */
export function offsetForLeaderEpoch(
  positions: readonly EpochPosition[],
): Request<readonly EpochEnd[]> {
  return request(
    'OffsetForLeaderEpoch',
    { version: 3, isFlexible: false },
    {
      write: (to) => {
        // Replica id: a client has none.
        to.int32(-1)
        to.array(topicsOf(positions), ([topic, of]) => {
          to.string(topic).array(of, ({ partition, currentEpoch, epoch }) => {
            to.int32(partition).int32(currentEpoch).int32(epoch)
          })
        })
      },
      read: (from) => {
        from.throttle()
        const topics = from.array((t) => {
          const topic = t.string() ?? ''
          return t.array((p) => ({
            topic,
            code: p.int16(),
            partition: p.int32(),
            epoch: p.int32(),
            endOffset: p.int64(),
          }))
        })
        return topics.flat()
      },
    },
  )
}
