import type { TopicInfo } from '../../connect/port.ts'
import { varintBytes } from '../../connect/record-format.ts'
import type { Present } from '../../kernel/clock.ts'
import { NO_TIMESTAMP } from '../../kernel/time.ts'

/**
 * The records that a topic accepts, as read at start. A record that the topic would reject must not
 * get into a commit, because under exactly-once the commit would be rejected again and again (rule
 * C10).
 */
export interface TopicLimits {
  /** Largest batch, bytes. */
  readonly maxBytes: number
  /** How far a record's timestamp may be before the time of writing, ms. */
  readonly beforeMs: number
  /** How far it may be after the time of writing, ms. */
  readonly afterMs: number
}

/** Kafka's default `message.max.bytes`. */
const DEFAULT_MAX_BYTES = 1_048_588
/** Margin for the broker's clock, which is another one and is read later, ms. */
const MARGIN_MS = 10_000
const BATCH_HEADER_BYTES = 61
/** Bytes of a record besides its parts: attributes, and timestamp and offset deltas of 0. */
const OTHER_BYTES = 3

/** The limits of a topic: a size that is not known is Kafka's default, a timestamp bound none. */
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
 * The setting that a timestamp violates; `null`: none. A timestamp may fit by either of this
 * machine's two clocks, because the broker's was not set when this machine's was.
 */
export function timestampFault(
  timestampMs: number,
  { beforeMs, afterMs }: TopicLimits,
  { earliestMs, latestMs }: Present,
): 'message.timestamp.before.max.ms' | 'message.timestamp.after.max.ms' | null {
  if (timestampMs === NO_TIMESTAMP) return null
  // Values that are not times come from producers that write what they like.
  if (timestampMs < 0 || earliestMs - timestampMs > beforeMs)
    return 'message.timestamp.before.max.ms'
  const isNumber = Number.isSafeInteger(timestampMs)
  return isNumber && timestampMs - latestMs <= afterMs ? null : 'message.timestamp.after.max.ms'
}

/** @param partsBytes size of a record's key, value and headers, lengths included */
export function isTooLarge(partsBytes: number, { maxBytes }: TopicLimits): boolean {
  return batchBytes(partsBytes) > maxBytes
}

/** The uncompressed batch of one record, which brokers compare with `max.message.bytes`. */
export function batchBytes(partsBytes: number): number {
  const bytes = OTHER_BYTES + partsBytes
  return BATCH_HEADER_BYTES + varintBytes(bytes) + bytes
}
