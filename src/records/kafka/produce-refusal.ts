import { type Code, TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { TopicPartition } from '../port.ts'
import { notAllowed } from './rights.ts'
import { CODE, hasCoordinatorMoved, hasMoved, nameOfCode } from './wire/codes.ts'

const RETRIABLE: ReadonlySet<number> = new Set([
  CODE.NOT_ENOUGH_REPLICAS,
  CODE.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  CODE.CONCURRENT_TRANSACTIONS,
])

/** Will the same batch be accepted a little later, or by another leader? */
export function isRetriable(code: number): boolean {
  return RETRIABLE.has(code) || hasMoved(code) || hasCoordinatorMoved(code)
}

const REFUSALS: ReadonlyMap<number, Code> = new Map<number, Code>([
  [CODE.MESSAGE_TOO_LARGE, 'TOPIC_LIMITS'],
  [CODE.RECORD_LIST_TOO_LARGE, 'TOPIC_LIMITS'],
  [CODE.INVALID_TIMESTAMP, 'TOPIC_LIMITS'],
  [CODE.INVALID_RECORD, 'TOPIC_LIMITS'],
  [CODE.CLUSTER_AUTHORIZATION_FAILED, 'AUTHORIZATION'],
  [CODE.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'AUTHORIZATION'],
  [CODE.INVALID_PRODUCER_EPOCH, 'FENCED'],
  [CODE.PRODUCER_FENCED, 'FENCED'],
  [CODE.INVALID_PRODUCER_ID_MAPPING, 'FENCED'],
])

const HINTS: Readonly<Partial<Record<Code, string>>> = {
  TOPIC_LIMITS: "see the topic's max.message.bytes, segment.bytes and message.timestamp.* settings",
  AUTHORIZATION: 'the user lacks a right (ACL) on the transactional id or the cluster',
}

/**
 * Is the batch larger than the topic's limit (`max.message.bytes`) or its segments
 * (`segment.bytes`)?
 */
export function isTooLarge(code: number): boolean {
  return code === CODE.MESSAGE_TOO_LARGE || code === CODE.RECORD_LIST_TOO_LARGE
}

/** Smaller batches of the same records are to be tried immediately. */
export const TOO_LARGE = new TidemarkError(
  'TOPIC_LIMITS',
  'a batch is larger than its topic allows',
)

/** The leader is the right one, but is still ending the previous transaction. */
export const ENDING = new TidemarkError(
  'BROKER_UNAVAILABLE',
  'the previous transaction is still being ended',
)

/** The error for a leader's refusal of a batch. */
export function produceRefusal(code: number, to: TopicPartition): TidemarkError {
  if (code === CODE.CONCURRENT_TRANSACTIONS) return ENDING
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    return notAllowed('WRITE', { type: 'topic', name: to.topic })
  }
  const known = REFUSALS.get(code) ?? (isRetriable(code) ? 'BROKER_UNAVAILABLE' : 'COMMIT_FAILED')
  const hint = HINTS[known]
  return new TidemarkError(known, `the broker answers ${nameOfCode(code)}`, {
    where: partitionName(to),
    ...(hint === undefined ? {} : { hint }),
  })
}
