import type { TopicPartition } from '../../port.ts'
import { topicsOf } from './by-topic.ts'
import { type Request, request } from './request.ts'

// How far partitions reach: their logs, and what was written under one leader. To be asked of the
// partitions' leader.

/**
 * `low`: of the first record. `stable`: the end of what a reader of committed records sees. A
 * number: of the first record whose timestamp is not before that, ms since the epoch; −1 when there
 * is none.
 */
export type LogEnd = 'low' | 'stable' | number

const TIMESTAMPS = { low: -2, stable: -1 } as const
const READ_COMMITTED = 1

/**
 * A partition, and its leader's epoch as it is known here; −1: it is not. A broker that knows
 * another one does not answer.
 */
export interface Led extends TopicPartition {
  readonly leaderEpoch: number
}

export interface ListedOffset extends TopicPartition {
  readonly code: number
  readonly offset: number
}

export function listOffsets(
  partitions: readonly Led[],
  end: LogEnd,
): Request<readonly ListedOffset[]> {
  return request(
    'ListOffsets',
    { version: 5, isFlexible: false },
    {
      write: (to) => {
        // No replica.
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
            // The record's timestamp.
            p.int64()
            const offset = p.int64()
            // Its leader's epoch.
            p.int32()
            return { topic, partition, code, offset }
          })
        })
        return topics.flat()
      },
    },
  )
}

export interface EpochPosition extends TopicPartition {
  /** The leader's, as it is known here. */
  readonly currentEpoch: number
  /** Of the last record that was read. */
  readonly epoch: number
}

export interface EpochEnd extends TopicPartition {
  readonly code: number
  /** The newest one that is not above what was asked for; −1: the leader knows of none. */
  readonly epoch: number
  /** Where what was written under it ends; −1: not known. */
  readonly endOffset: number
}

/** Where the leader's log ends for the epoch of the last record that was read (KIP-320). */
export function offsetForLeaderEpoch(
  positions: readonly EpochPosition[],
): Request<readonly EpochEnd[]> {
  return request(
    'OffsetForLeaderEpoch',
    { version: 3, isFlexible: false },
    {
      write: (to) => {
        // No replica.
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
