import type { TopicPartition } from '../../port.ts'
import type { AbortedTransaction } from '../codec/record-set.ts'
import { topicsOf } from './bytes.ts'
import { API, type Coded, flexible, request } from './protocol.ts'

interface RequestedPartition extends TopicPartition {
  /** `null`: the topic is requested by name. */
  readonly topicId: string | null
  readonly offset: number
  /** A leader of another epoch answers with an error; −1: any. */
  readonly leaderEpoch: number
}

export interface FetchOptions {
  /** How long the broker waits for the first byte, ms. */
  readonly maxWaitMs: number
  /** Approximate limit of the response, bytes; the first batch always comes whole. */
  readonly maxBytes: number
  /** Approximate limit per partition, bytes. */
  readonly maxPartitionBytes: number
}

export const ONE_BATCH: FetchOptions = { maxWaitMs: 0, maxBytes: 1, maxPartitionBytes: 1 }

export interface FetchedPartition extends TopicPartition, Coded {
  readonly highWatermark: number
  readonly lowOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly set: Buffer
}

const READ_COMMITTED = 1
const MIN_BYTES = 1

/**
 * The record sets are views into the response.
 * @param isById by topic id, so that a topic that was created again is a different one (KIP-516);
 * all positions must have an id
 */
export function fetch(positions: readonly RequestedPartition[], isById: boolean, o: FetchOptions) {
  const topics = topicsOf(positions)
  const nameOf = new Map(positions.map(({ topic, topicId }) => [topicId, topic]))
  const asked = request('Fetch', {
    form: isById ? flexible(13) : API.Fetch,
    write: (to) => {
      // No replica id and no fetch session: every request is complete in itself.
      to.int32(-1).int32(o.maxWaitMs).int32(MIN_BYTES).int32(o.maxBytes).int8(READ_COMMITTED)
      to.int32(0).int32(-1)
      to.array(topics, ([topic, list]) => {
        if (isById) to.uuid(list[0]?.topicId ?? null)
        else to.string(topic)
        to.array(list, ({ partition, offset, leaderEpoch }) => {
          to.int32(partition).int32(leaderEpoch).int64(offset)
          // OffsetForLeaderEpoch checks the epoch of the last read record, because older brokers
          // support it as well.
          if (isById) to.int32(-1)
          // Log start offset, which only replicas send.
          to.int64(-1).int32(o.maxPartitionBytes).endStruct()
        }).endStruct()
      })
      to.array([], () => {}).string('')
    },
    read: (from) => {
      const code = from.int16()
      // Session id.
      from.int32()
      const partitions = from.byTopic(
        (topic): FetchedPartition => {
          const [partition, errorCode, highWatermark] = [from.int32(), from.int16(), from.int64()]
          // Last stable offset.
          from.int64()
          const lowOffset = from.int64()
          const aborted = from.structs(() => {
            return { producerId: from.int64(), firstOffset: from.int64() }
          })
          // Preferred read replica, which is only sent to clients with a rack.
          from.int32()
          const set = from.bytes()
          return { topic, partition, code: errorCode, highWatermark, lowOffset, aborted, set }
        },
        () => (isById ? nameOf.get(from.uuid()) : from.string()) ?? '',
      )
      return { code, partitions }
    },
  })
  return { ...asked, waitsMs: o.maxWaitMs }
}

/**
 * `low`: the first record. `stable`: the end for a reader of committed records. A number: the first
 * record whose timestamp is not before it, ms since the epoch; −1 when there is none.
 */
export type LogEnd = 'low' | 'stable' | number

const TIMESTAMPS = { low: -2, stable: -1 } as const

type Led = Pick<RequestedPartition, 'topic' | 'partition' | 'leaderEpoch'>

export function listOffsets(partitions: readonly Led[], end: LogEnd) {
  return request('ListOffsets', {
    write: (to) => {
      // Replica id: a client has none.
      to.int32(-1).int8(READ_COMMITTED)
      to.byTopic(partitions, ({ partition, leaderEpoch }) => {
        to.int32(partition).int32(leaderEpoch)
        to.int64(typeof end === 'number' ? end : TIMESTAMPS[end])
      })
    },
    read: (from) =>
      from.byTopic((topic) => {
        const [partition, code] = [from.int32(), from.int16()]
        // Timestamp of the record.
        from.int64()
        const offset = from.int64()
        // Leader epoch of the record.
        from.int32()
        return { topic, partition, code, offset }
      }),
  })
}

interface EpochPosition extends TopicPartition {
  /** Leader epoch that this client knows. */
  readonly currentEpoch: number
  readonly epoch: number
}

export interface EpochEnd extends TopicPartition, Coded {
  /** The newest epoch that is not above the requested one; −1: the leader knows of none. */
  readonly epoch: number
  /** End offset of the records of that epoch; −1: not known. */
  readonly endOffset: number
}

/** Looks up where the leader's log ends for the epoch of the last read record (KIP-320). */
export function offsetForLeaderEpoch(positions: readonly EpochPosition[]) {
  return request('OffsetForLeaderEpoch', {
    write: (to) => {
      to.int32(-1)
      to.byTopic(positions, ({ partition, currentEpoch, epoch }) => {
        to.int32(partition).int32(currentEpoch).int32(epoch)
      })
    },
    read: (from) =>
      from.byTopic((topic): EpochEnd => {
        const [code, partition] = [from.int16(), from.int32()]
        return { topic, code, partition, epoch: from.int32(), endOffset: from.int64() }
      }),
  })
}
