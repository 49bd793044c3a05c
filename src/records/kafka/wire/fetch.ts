import type { AbortedTransaction } from '../codec/aborted-transactions.ts'
import { type Request, request } from './request.ts'

/** A partition to be read from. */
export interface FetchPosition {
  readonly partition: number
  readonly offset: number
}

export interface FetchOptions {
  /** The broker waits for so many bytes, but not longer than that, ms. */
  readonly minBytes: number
  readonly maxWaitMs: number
  /** About; the first batch always comes whole. */
  readonly maxBytes: number
  readonly maxPartitionBytes: number
}

export interface FetchedPartition {
  readonly partition: number
  readonly code: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly lowOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly set: Buffer
}

export interface FetchedTopic {
  readonly topic: string
  readonly partitions: readonly FetchedPartition[]
}

const READ_COMMITTED = 1

/** Partitions are filled in the order given. The sets are views into the response. */
export function fetch(
  topics: readonly (readonly [topic: string, positions: readonly FetchPosition[]])[],
  o: FetchOptions,
): Request<{ readonly code: number; readonly topics: readonly FetchedTopic[] }> {
  const asked = request(
    'Fetch',
    { version: 11, isFlexible: false },
    {
      write: (to) => {
        // No replica, no session, so that every request says all.
        to.int32(-1).int32(o.maxWaitMs).int32(o.minBytes).int32(o.maxBytes).int8(READ_COMMITTED)
        to.int32(0).int32(-1)
        to.array(topics, ([topic, positions]) => {
          to.string(topic).array(positions, ({ partition, offset }) => {
            // Neither the leader's epoch nor a log start is known.
            to.int32(partition).int32(-1).int64(offset).int64(-1).int32(o.maxPartitionBytes)
          })
        })
        to.array([], () => {}).string('')
      },
      read: (from) => {
        from.throttle()
        const code = from.int16()
        // Session.
        from.int32()
        return {
          code,
          topics: from.array((t) => ({
            topic: t.string() ?? '',
            partitions: t.array((p) => {
              const partition = p.int32()
              const fetched = {
                partition,
                code: p.int16(),
                highWatermark: p.int64(),
                lastStableOffset: p.int64(),
                lowOffset: p.int64(),
                aborted: p.array((a) => ({ producerId: a.int64(), firstOffset: a.int64() })),
              }
              // Preferred read replica: readers with a rack only.
              p.int32()
              return { ...fetched, set: p.bytes() }
            }),
          })),
        }
      },
    },
  )
  return { ...asked, waitsMs: o.maxWaitMs }
}
