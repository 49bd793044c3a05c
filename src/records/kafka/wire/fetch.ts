import type { TopicPartition } from '../../port.ts'
import type { AbortedTransaction } from '../codec/aborted-transactions.ts'
import { topicsOf } from './by-topic.ts'
import type { ResponseReader } from './bytes.ts'
import { type Request, request } from './request.ts'

/** A partition to be read from. */
export interface FetchPosition extends TopicPartition {
  /** `null`: the topic is asked for by its name. */
  readonly topicId: string | null
  readonly offset: number
  /**
   * The leader's epoch as it is known here; another leader answers with an error. −1: whatever it
   * is.
   */
  readonly leaderEpoch: number
}

export interface FetchOptions {
  /** The broker waits for so many bytes, but not longer than that, ms. */
  readonly minBytes: number
  readonly maxWaitMs: number
  /** About; the first batch always comes whole. */
  readonly maxBytes: number
  readonly maxPartitionBytes: number
}

/** What is there, at once; of each partition one batch. */
export const ONE_BATCH: FetchOptions = {
  minBytes: 0,
  maxWaitMs: 0,
  maxBytes: 1,
  maxPartitionBytes: 1,
}

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
 * Partitions are filled in the order given. The sets are views into the response.
 * @param isById asks by the topics' ids, so that a topic of the same name that was made anew is
 * another one (KIP-516); all have one
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
        // No replica, no session, so that every request says all.
        to.int32(-1).int32(o.maxWaitMs).int32(o.minBytes).int32(o.maxBytes).int8(READ_COMMITTED)
        to.int32(0).int32(-1)
        to.array(topics, ([topic, of]) => {
          if (isById) to.uuid(of[0]?.topicId ?? null)
          else to.string(topic)
          to.array(of, ({ partition, offset, leaderEpoch }) => {
            to.int32(partition).int32(leaderEpoch).int64(offset)
            // The epoch of what was read is looked at by a question of its own, which older brokers
            // take as well.
            if (isById) to.int32(-1)
            // Of no replica's log.
            to.int64(-1).int32(o.maxPartitionBytes).endStruct()
          }).endStruct()
        })
        to.array([], () => {}).string('')
      },
      read: (from) => {
        from.throttle()
        const code = from.int16()
        // Session.
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
  // Preferred read replica: readers with a rack only.
  from.int32()
  const set = from.bytes()
  from.endStruct()
  return { ...fetched, set }
}
