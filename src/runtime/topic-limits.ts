import type { Present } from '../kernel/clock.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { TopicInfo } from '../records/port.ts'
import { varintBytes } from '../records/varint.ts'

// What a topic takes, as it is read at start. What it would refuse must not come into a commit:
// exactly once it would be refused again and again, and hold up all that follows (rule C10).

export interface TopicLimits {
  /** Largest batch, bytes. */
  readonly maxBytes: number
  /** How far a record's timestamp may lie before the moment at which it is written, ms. */
  readonly beforeMs: number
  /** How far it may lie after it, ms. */
  readonly afterMs: number
}

/** Kafka's default `message.max.bytes`. */
const DEFAULT_MAX_BYTES = 1_048_588
/** A broker's clock is another one, and it looks at it later: when the commit is there. */
const MARGIN_MS = 10_000
/** Of a record batch, before its first record. */
const BATCH_HEADER_BYTES = 61
/**
 * Of a record: its attributes, and the distances from the batch's own time and offset, which are 0.
 */
const AROUND_PARTS = 3

export function limitsOf(topic: TopicInfo | undefined): TopicLimits {
  const isBrokers = topic?.timestampType === 'LogAppendTime'
  return {
    maxBytes: Math.min(
      topic?.maxMessageBytes ?? DEFAULT_MAX_BYTES,
      topic?.segmentBytes ?? Number.POSITIVE_INFINITY,
    ),
    beforeMs: withMargin(isBrokers ? null : topic?.timestampBeforeMaxMs),
    afterMs: withMargin(isBrokers ? null : topic?.timestampAfterMaxMs),
  }
}

function withMargin(boundMs: number | null | undefined): number {
  const bound = boundMs ?? Number.POSITIVE_INFINITY
  return bound - Math.min(MARGIN_MS, bound / 2)
}

/**
 * `null`: the topic takes the timestamp; else the setting by which it does not. What one clock
 * takes is taken: the broker's was not set when this machine's was.
 */
export function timestampFault(
  timestampMs: number,
  { beforeMs, afterMs }: TopicLimits,
  { earliestMs, latestMs }: Present,
): 'message.timestamp.before.max.ms' | 'message.timestamp.after.max.ms' | null {
  if (timestampMs === NO_TIMESTAMP) return null
  // What is no time at all comes from producers that write what they like.
  if (timestampMs < 0 || earliestMs - timestampMs > beforeMs)
    return 'message.timestamp.before.max.ms'
  const isNumber = Number.isSafeInteger(timestampMs)
  return isNumber && timestampMs - latestMs <= afterMs ? null : 'message.timestamp.after.max.ms'
}

/**
 * Is a batch of one record alone too large? `partsBytes`: of its key, value and headers, lengths
 * included.
 */
export function isTooLarge(partsBytes: number, { maxBytes }: TopicLimits): boolean {
  return batchBytes(partsBytes) > maxBytes
}

/**
 * The size of a batch of one record alone, not compressed: what brokers compare with
 * `max.message.bytes`.
 */
export function batchBytes(partsBytes: number): number {
  const bytes = AROUND_PARTS + partsBytes
  return BATCH_HEADER_BYTES + varintBytes(bytes) + bytes
}
