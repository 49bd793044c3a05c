import { type Request, request } from './request.ts'

/** A batch for a partition; a request has one per partition. */
export interface ProducePartition {
  readonly partition: number
  readonly batch: Buffer
}

/** How to produce. */
export interface ProduceOptions {
  /** `null`: outside of transactions. */
  readonly transactionalId: string | null
  /** Does the broker add partitions to the transaction automatically (KIP-890)? */
  readonly joinsTransaction: boolean
  /** How long the leader may wait for its replicas, ms. */
  readonly timeoutMs: number
}

/** What Produce returns for a partition. */
export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly code: number
}

const ALL_IN_SYNC_REPLICAS = -1

/** Produce with acks=all. */
export function produce(
  topics: readonly (readonly [topic: string, partitions: readonly ProducePartition[]])[],
  { transactionalId, joinsTransaction, timeoutMs }: ProduceOptions,
): Request<readonly ProducedPartition[]> {
  // From version 12 on the first batch of a partition adds it to the transaction; version 7 is
  // supported by every broker since 2.5.
  const form = joinsTransaction
    ? { version: 12, isFlexible: true }
    : { version: 7, isFlexible: false }
  return request('Produce', form, {
    write: (to) => {
      to.string(transactionalId).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
      to.array(topics, ([topic, partitions]) => {
        to.string(topic).array(partitions, ({ partition, batch }) => {
          to.int32(partition).records([batch]).endStruct()
        })
        to.endStruct()
      })
    },
    read: (from) => {
      const produced = from.array((t) => {
        const topic = t.string() ?? ''
        const partitions = t.array((p) => {
          const [partition, code] = [p.int32(), p.int16()]
          // Base offset, append time, log start offset.
          for (let i = 0; i < 3; i++) p.int64()
          if (form.isFlexible) {
            p.array((e) => {
              e.int32()
              e.string()
              e.endStruct()
            })
            p.string()
          }
          p.endStruct()
          return { topic, partition, code }
        })
        t.endStruct()
        return partitions
      })
      from.throttle()
      return produced.flat()
    },
  })
}
