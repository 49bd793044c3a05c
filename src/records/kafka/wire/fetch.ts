import type { TopicPartition } from '../../port.ts'
import type { AbortedTransaction } from '../codec/aborted-transactions.ts'
import { topicsOf } from './by-topic.ts'
import type { ResponseReader } from './bytes.ts'
import { type Request, request } from './request.ts'

/** A partition and the offset from which to fetch. */
export interface FetchPosition extends TopicPartition {
  /** `null`: the topic is requested by name. */
  readonly topicId: string | null
  readonly offset: number
  /**
   * The leader epoch that this client knows; a leader of another epoch answers with an error. −1:
   * any epoch.
   */
  readonly leaderEpoch: number
}

/** Limits of a fetch. */
export interface FetchOptions {
  /** The broker answers when it has this many bytes, or after `maxWaitMs`. */
  readonly minBytes: number
  /** How long the broker waits for `minBytes`, ms. */
  readonly maxWaitMs: number
  /** Approximate limit of the response, bytes; the first batch always comes whole. */
  readonly maxBytes: number
  /** Approximate limit per partition, bytes. */
  readonly maxPartitionBytes: number
}

/** One batch of each partition, and an immediate answer even if there is none. */
export const ONE_BATCH: FetchOptions = {
  minBytes: 0,
  maxWaitMs: 0,
  maxBytes: 1,
  maxPartitionBytes: 1,
}

/** What a fetch response contains for a partition. */
export interface FetchedPartition extends TopicPartition {
  readonly code: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly lowOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly set: Buffer
}

const READ_COMMITTED = 1

/**
 * Fetch. The broker fills partitions in the given order. The record sets are views into the
 * response.
 * @param isById requests topics by id, so that a topic that was deleted and created again under the
 * same name is a different one (KIP-516); all positions must have an id
 */
export function fetch(
  positions: readonly FetchPosition[],
  isById: boolean,
  o: FetchOptions,
): Request<{ readonly code: number; readonly partitions: readonly FetchedPartition[] }> {
  const topics = topicsOf(positions)
  const nameOf = new Map(positions.map(({ topic, topicId }) => [topicId, topic]))
  const asked = request(
    'Fetch',
    isById ? { version: 13, isFlexible: true } : { version: 11, isFlexible: false },
    {
      write: (to) => {
        // No replica id and no fetch session: every request is complete in itself.
        to.int32(-1).int32(o.maxWaitMs).int32(o.minBytes).int32(o.maxBytes).int8(READ_COMMITTED)
        to.int32(0).int32(-1)
        to.array(topics, ([topic, of]) => {
          if (isById) to.uuid(of[0]?.topicId ?? null)
          else to.string(topic)
          to.array(of, ({ partition, offset, leaderEpoch }) => {
            to.int32(partition).int32(leaderEpoch).int64(offset)
            // The epoch of the last read record is checked with OffsetForLeaderEpoch, which older
            // brokers support as well.
            if (isById) to.int32(-1)
            // Log start offset, which only replicas send.
            to.int64(-1).int32(o.maxPartitionBytes).endStruct()
          }).endStruct()
        })
        to.array([], () => {}).string('')
      },
      read: (from) => {
        from.throttle()
        const code = from.int16()
        // Session id.
        from.int32()
        const found = from.array((t) => {
          const topic = isById ? nameOf.get(t.uuid()) : t.string()
          const of = t.array((p) => partitionFrom(p, topic ?? ''))
          t.endStruct()
          return of
        })
        return { code, partitions: found.flat() }
      },
    },
  )
  return { ...asked, waitsMs: o.maxWaitMs }
}

function partitionFrom(from: ResponseReader, topic: string): FetchedPartition {
  const fetched = {
    topic,
    partition: from.int32(),
    code: from.int16(),
    highWatermark: from.int64(),
    lastStableOffset: from.int64(),
    lowOffset: from.int64(),
    aborted: from.array((a) => {
      const aborted = { producerId: a.int64(), firstOffset: a.int64() }
      a.endStruct()
      return aborted
    }),
  }
  // Preferred read replica, which is only sent to clients with a rack.
  from.int32()
  const set = from.bytes()
  from.endStruct()
  return { ...fetched, set }
}
