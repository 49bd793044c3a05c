import type { TopicPartition } from '../../port.ts'
import type { RequestWriter, ResponseReader } from './bytes.ts'
import type { MemberGeneration, PartitionOffset } from './groups.ts'
import { API, CODE, flexible, request } from './protocol.ts'

export interface ProduceOptions {
  /** `null`: outside of transactions. */
  readonly transactionalId: string | null
  /** Whether the broker adds partitions to the transaction (KIP-890). */
  readonly joinsTransaction: boolean
  /** How long the leader may wait for its replicas, ms. */
  readonly timeoutMs: number
}

const ALL_IN_SYNC_REPLICAS = -1

/** Produce with acks=all; at most one batch per partition. */
export function produceBatches(
  batches: readonly (TopicPartition & { readonly batch: Buffer })[],
  { transactionalId, joinsTransaction, timeoutMs }: ProduceOptions,
) {
  // Brokers add a partition to the transaction from version 12 on, and know version 7 from 2.5 on.
  const form = joinsTransaction ? flexible(12) : API.Produce
  return request('Produce', {
    form,
    write: (to) => {
      to.string(transactionalId).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
      to.byTopic(batches, ({ partition, batch }) => {
        to.int32(partition).records(batch).endStruct()
      })
    },
    read: (from) => {
      const produced = from.byTopic((topic) => {
        const [partition, code] = [from.int32(), from.int16()]
        // Base offset, append time, log start offset.
        for (let i = 0; i < 3; i++) from.int64()
        if (form.isFlexible) {
          // Errors of single records, and their message.
          from.structs(() => [from.int32(), from.string()])
          from.string()
        }
        return { topic, partition, code }
      })
      from.throttle()
      return produced
    },
  })
}

export interface ProducerIdentity {
  readonly id: number
  readonly epoch: number
}

/**
 * `1`: partitions are added by separate requests. `2`: by the first batch and offset commit, and
 * every transaction has its own epoch (KIP-890).
 */
export type TransactionVersion = 1 | 2

interface InTransaction {
  readonly version: TransactionVersion
  readonly transactionalId: string
  readonly producer: ProducerIdentity
}

const NOBODY: ProducerIdentity = { id: -1, epoch: -1 }

/**
 * For a transactional id it also ends the open transaction and fences the previous producer.
 * @param transactionalId `null`: a producer without transactions
 * @param as the current identity, whose epoch is to be increased
 */
export function initProducerId(transactionalId: string | null, timeoutMs: number, as = NOBODY) {
  return request('InitProducerId', {
    write: (to) => {
      to.string(transactionalId).int32(timeoutMs).int64(as.id).int16(as.epoch)
    },
    read: (from) => {
      const code = from.int16()
      return { code, producer: identityFrom(from) }
    },
  })
}

export function tryTransactionalId(transactionalId: string) {
  return initProducerId(transactionalId, 0, { id: NOBODY.id, epoch: 0 })
}

/** @returns `refused`: the partition because of which none was added; `null`: all were added */
export function addPartitionsToTxn(
  transaction: InTransaction,
  partitions: readonly TopicPartition[],
) {
  return request('AddPartitionsToTxn', {
    write: (to) => {
      writeTransaction(to, transaction)
      to.byTopic(partitions, ({ partition }) => to.int32(partition))
    },
    read: (from) => {
      const errors = errorsIn(from)
      const refused = errors.find(({ code }) => code !== CODE.OPERATION_NOT_ATTEMPTED) ?? null
      return { code: refused?.code ?? CODE.NONE, refused }
    },
  })
}

export function addOffsetsToTxn(transaction: InTransaction, group: string) {
  return request('AddOffsetsToTxn', {
    write: (to) => writeTransaction(to, transaction).string(group),
    read: (from) => ({ code: from.int16() }),
  })
}

export function txnOffsetCommit(
  { version, transactionalId, producer }: InTransaction,
  { group, generationId, memberId }: MemberGeneration,
  offsets: readonly PartitionOffset[],
) {
  return request('TxnOffsetCommit', {
    form: version === 2 ? flexible(5) : API.TxnOffsetCommit,
    write: (to) => {
      to.string(transactionalId).string(group).int64(producer.id).int16(producer.epoch)
      to.int32(generationId).string(memberId).string(null)
      to.byTopic(offsets, ({ partition, offset, metadata }) => {
        to.int32(partition).int64(offset).int32(-1).string(metadata).endStruct()
      })
    },
    read: (from) => ({ code: errorsIn(from)[0]?.code ?? CODE.NONE }),
  })
}

/** @returns the identity for the next transaction, which is a new one under version 2 */
export function endTxn(transaction: InTransaction, end: 'commit' | 'abort') {
  const { version } = transaction
  return request('EndTxn', {
    form: version === 2 ? flexible(5) : API.EndTxn,
    write: (to) => writeTransaction(to, transaction).boolean(end === 'commit'),
    read: (from) => {
      const code = from.int16()
      return { code, producer: version === 1 ? transaction.producer : identityFrom(from) }
    },
  })
}

function writeTransaction(to: RequestWriter, { transactionalId, producer }: InTransaction) {
  return to.string(transactionalId).int64(producer.id).int16(producer.epoch)
}

function identityFrom(from: ResponseReader): ProducerIdentity {
  return { id: from.int64(), epoch: from.int16() }
}

function errorsIn(from: ResponseReader) {
  const all = from.byTopic((topic) => ({ topic, partition: from.int32(), code: from.int16() }))
  return all.filter(({ code }) => code !== CODE.NONE)
}
