import type { TopicPartition } from '../../port.ts'
import { topicsOf } from './by-topic.ts'
import type { ResponseReader } from './bytes.ts'
import { CODE } from './codes.ts'
import { type Request, request } from './request.ts'

/** What the broker knows a producer by. */
export interface ProducerIdentity {
  readonly id: number
  readonly epoch: number
}

/**
 * `1`: partitions are added to a transaction by calls of their own. `2`: by the first batch and
 * offset, and every transaction has an epoch of its own (KIP-890).
 */
export type TransactionVersion = 1 | 2

/** An offset to be committed. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

/** One membership of a group, between two rebalances. */
export interface GroupMember {
  readonly group: string
  readonly generationId: number
  readonly memberId: string
}

export interface RefusedPartition extends TopicPartition {
  readonly code: number
}

interface InTransaction {
  readonly transactionalId: string
  readonly producer: ProducerIdentity
}

const FLEXIBLE = (version: number) => ({ version, isFlexible: true })
/** The newest versions that are not flexible; brokers since 2.5 take them. */
const CLASSIC = { version: 1, isFlexible: false }
const NOBODY: ProducerIdentity = { id: -1, epoch: -1 }

/**
 * Gives a producer its identity. For a transactional id it also ends the transaction that is open
 * under it and shuts out whoever used it before.
 * @param transactionalId `null`: a producer without transactions
 * @param as the identity to go on from
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
 * What is answered before anything is done shows whether the user may use the id: the rest of the
 * request is not valid, so that whoever has the id keeps it.
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

/** @returns the partition for which none of them was added, and why; `null`: all were */
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
      // The others were not tried for its sake.
      return errorsIn(from).find(({ code }) => code !== CODE.OPERATION_NOT_ATTEMPTED) ?? null
    },
  })
}

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

/** @returns the first error, if any */
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

/** @returns of version 2 also the identity under which the next transaction goes */
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

/** Of topics with partitions with codes. */
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
