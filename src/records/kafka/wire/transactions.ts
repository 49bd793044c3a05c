import type { TopicPartition } from '../../port.ts'
import { topicsOf } from './by-topic.ts'
import type { ResponseReader } from './bytes.ts'
import { CODE } from './codes.ts'
import { type Request, request } from './request.ts'

/** A producer id and epoch, by which the broker identifies a producer. */
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

/** An offset to be committed. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

/** A member of a group in one generation. */
export interface GroupMember {
  readonly group: string
  readonly generationId: number
  readonly memberId: string
}

/** A partition that was refused, and the error code. */
export interface RefusedPartition extends TopicPartition {
  readonly code: number
}

interface InTransaction {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
}

const FLEXIBLE = (version: number) => ({ version, isFlexible: true })
/** The newest versions that are not flexible; brokers since 2.5 support them. */
const CLASSIC = { version: 1, isFlexible: false }
const NOBODY: ProducerIdentity = { id: -1, epoch: -1 }

/**
 * InitProducerId: assigns an identity to a producer. For a transactional id it also ends the
 * transaction that is open under it and fences the previous producer.
 * @param transactionalId `null`: a producer without transactions
 * @param as the current identity, whose epoch is to be increased
 */
export function initProducerId(
  transactionalId: string | null,
  timeoutMs: number,
  as = NOBODY,
): Request<{ readonly code: number; readonly producer: ProducerIdentity }> {
  return request('InitProducerId', FLEXIBLE(3), {
    write: (to) => {
      to.string(transactionalId).int32(timeoutMs).int64(as.id).int16(as.epoch)
    },
    read: (from) => {
      from.throttle()
      const code = from.int16()
      return { code, producer: { id: from.int64(), epoch: from.int16() } }
    },
  })
}

/**
 * Tests whether the user may use a transactional id. The rest of the request is invalid, so that
 * the broker answers without doing anything, and the current producer keeps the id.
 */
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

/**
 * AddPartitionsToTxn.
 * @returns the partition because of which none was added, and why; `null`: all were added
 */
export function addPartitionsToTxn(
  { transactionalId, producer }: InTransaction,
  partitions: readonly TopicPartition[],
): Request<RefusedPartition | null> {
  return request('AddPartitionsToTxn', CLASSIC, {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch)
      to.array(topicsOf(partitions), ([topic, of]) => {
        to.string(topic).array(of, ({ partition }) => to.int32(partition))
      })
    },
    read: (from) => {
      from.throttle()
      // The other partitions were not attempted because of it.
      return errorsIn(from).find(({ code }) => code !== CODE.OPERATION_NOT_ATTEMPTED) ?? null
    },
  })
}

/**
 * AddOffsetsToTxn.
 * @returns the error code
 */
export function addOffsetsToTxn(
  { transactionalId, producer }: InTransaction,
  group: string,
): Request<number> {
  return request('AddOffsetsToTxn', CLASSIC, {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch).string(group)
    },
    read: (from) => {
      from.throttle()
      return from.int16()
    },
  })
}

/**
 * TxnOffsetCommit.
 * @returns the first error code, if any
 */
export function txnOffsetCommit(
  version: TransactionVersion,
  { transactionalId, producer }: InTransaction,
  {
    member: { group, generationId, memberId },
    offsets,
  }: { readonly member: GroupMember; readonly offsets: readonly PartitionOffset[] },
): Request<number> {
  return request('TxnOffsetCommit', FLEXIBLE(version === 2 ? 5 : 3), {
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
    read: (from) => {
      from.throttle()
      return firstError(from)
    },
  })
}

/**
 * EndTxn.
 * @returns the identity for the next transaction, which is a new one under version 2
 */
export function endTxn(
  version: TransactionVersion,
  { transactionalId, producer }: InTransaction,
  end: 'commit' | 'abort',
): Request<{ readonly code: number; readonly producer: ProducerIdentity }> {
  return request('EndTxn', version === 2 ? FLEXIBLE(5) : CLASSIC, {
    write: (to) => {
      to.string(transactionalId).int64(producer.id).int16(producer.epoch)
      to.boolean(end === 'commit')
    },
    read: (from) => {
      from.throttle()
      const code = from.int16()
      if (version === 1) return { code, producer }
      return { code, producer: { id: from.int64(), epoch: from.int16() } }
    },
  })
}

/** The first error code in a list of topics with partitions with codes. */
function firstError(from: ResponseReader): number {
  return errorsIn(from)[0]?.code ?? CODE.NONE
}

function errorsIn(from: ResponseReader): readonly RefusedPartition[] {
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
