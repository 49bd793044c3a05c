import type { TopicPartition } from '../../port.ts'
import type { ResponseReader } from './bytes.ts'
import type { MemberGeneration, PartitionOffset } from './groups.ts'
import { CODE, classic, flexible, type Request, request, topicsOf } from './protocol.ts'

interface ProducedBatch extends TopicPartition {
  readonly batch: Buffer
}

interface ProduceOptions {
  /** `null`: outside of transactions. */
  readonly transactionalId: string | null
  /** Does the broker add partitions to the transaction (KIP-890)? */
  readonly joinsTransaction: boolean
  /** How long the leader may wait for its replicas, ms. */
  readonly timeoutMs: number
}

const ALL_IN_SYNC_REPLICAS = -1

/** Produce with acks=all; at most one batch per partition. */
export function produceBatches(
  batches: readonly ProducedBatch[],
  { transactionalId, joinsTransaction, timeoutMs }: ProduceOptions,
): Request<readonly PartitionCode[]> {
  // Brokers add a partition to the transaction from version 12 on, and know version 7 from 2.5 on.
  const form = joinsTransaction ? flexible(12) : classic(7)
  return request('Produce', form, {
    write: (to) => {
      to.string(transactionalId).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
      to.array(topicsOf(batches), ([topic, of]) => {
        to.string(topic).array(of, ({ partition, batch }) => {
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

export interface ProducerIdentity {
  readonly id: number
  readonly epoch: number
}

/**
 * The transaction protocol. `1`: partitions are added to a transaction by separate requests. `2`:
 * by the first batch and the first offset commit, and every transaction has its own epoch
 * (KIP-890).
 */
export type TransactionVersion = 1 | 2

export interface PartitionCode extends TopicPartition {
  readonly code: number
}

interface InTransaction {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
}

const NOBODY: ProducerIdentity = { id: -1, epoch: -1 }

/**
 * Assigns an identity to a producer. For a transactional id it also ends the open transaction and
 * fences the previous producer.
 * @param transactionalId `null`: a producer without transactions
 * @param as the current identity, whose epoch is to be increased
 */
export function initProducerId(
  transactionalId: string | null,
  timeoutMs: number,
  as = NOBODY,
): Request<{ readonly code: number; readonly producer: ProducerIdentity }> {
  return request('InitProducerId', flexible(3), {
    write: (to) => {
      to.string(transactionalId).int32(timeoutMs).int64(as.id).int16(as.epoch)
    },
    read: (from) => {
      const code = from.int16()
      return { code, producer: { id: from.int64(), epoch: from.int16() } }
    },
  })
}

/** Tests a right: the request is invalid, so that the broker does nothing. */
export function tryTransactionalId(transactionalId: string): Request<number> {
  const asked = initProducerId(transactionalId, 0, { id: NOBODY.id, epoch: 0 })
  return {
    ...asked,
    decode: (payload) => {
      const { value, throttleMs } = asked.decode(payload)
      return { value: value.code, throttleMs }
    },
  }
}

/** @returns the partition because of which none was added; `null`: all were added */
export function addPartitionsToTxn(
  { transactionalId, producer }: InTransaction,
  partitions: readonly TopicPartition[],
): Request<PartitionCode | null> {
  return request('AddPartitionsToTxn', classic(1), {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch)
      to.array(topicsOf(partitions), ([topic, of]) => {
        to.string(topic).array(of, ({ partition }) => to.int32(partition))
      })
    },
    read: (from) => {
      return errorsIn(from).find(({ code }) => code !== CODE.OPERATION_NOT_ATTEMPTED) ?? null
    },
  })
}

export function addOffsetsToTxn(
  { transactionalId, producer }: InTransaction,
  group: string,
): Request<number> {
  return request('AddOffsetsToTxn', classic(1), {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch).string(group)
    },
    read: (from) => from.int16(),
  })
}

/** @returns the first error code */
export function txnOffsetCommit(
  version: TransactionVersion,
  { transactionalId, producer }: InTransaction,
  {
    member: { group, generationId, memberId },
    offsets,
  }: { readonly member: MemberGeneration; readonly offsets: readonly PartitionOffset[] },
): Request<number> {
  return request('TxnOffsetCommit', flexible(version === 2 ? 5 : 3), {
    write: (to) => {
      to.string(transactionalId).string(group).int64(producer.id).int16(producer.epoch)
      to.int32(generationId).string(memberId).string(null)
      to.array(topicsOf(offsets), ([topic, of]) => {
        to.string(topic).array(of, ({ partition, offset, metadata }) => {
          to.int32(partition).int64(offset).int32(-1).string(metadata).endStruct()
        })
        to.endStruct()
      })
    },
    read: (from) => errorsIn(from)[0]?.code ?? CODE.NONE,
  })
}

/** @returns the identity for the next transaction, which is a new one under version 2 */
export function endTxn(
  version: TransactionVersion,
  { transactionalId, producer }: InTransaction,
  end: 'commit' | 'abort',
): Request<{ readonly code: number; readonly producer: ProducerIdentity }> {
  return request('EndTxn', version === 2 ? flexible(5) : classic(1), {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch)
      to.boolean(end === 'commit')
    },
    read: (from) => {
      const code = from.int16()
      if (version === 1) return { code, producer }
      return { code, producer: { id: from.int64(), epoch: from.int16() } }
    },
  })
}

function errorsIn(from: ResponseReader): readonly PartitionCode[] {
  const all = from.array((t) => {
    const topic = t.string() ?? ''
    const ofTopic = t.array((p) => {
      const refused = { topic, partition: p.int32(), code: p.int16() }
      p.endStruct()
      return refused
    })
    t.endStruct()
    return ofTopic
  })
  return all.flat().filter(({ code }) => code !== CODE.NONE)
}
