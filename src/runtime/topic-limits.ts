import type { Present } from '../kernel/clock.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { NewRecord, TopicInfo } from '../records/port.ts'
import { WrittenRecord } from '../records/written-record.ts'

// What a topic takes, as it is read at start. What it would refuse must not come into a commit: exactly once it would be
// refused again and again, and hold up all that follows (PROTOCOL C10).

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
/** Of numbers and lengths around a record, and around each of its headers, at most. */
const MOST_AROUND = { record: 30, header: 10 }
/** A text's characters take no more bytes each. */
const MOST_UTF8 = 3

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
 * `null`: the topic takes the timestamp; else the setting by which it does not. What one clock takes is taken: the broker's was not set
 * when this machine's was.
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

/** Is a batch of this record alone too large? */
export function isTooLarge(record: NewRecord, { maxBytes }: TopicLimits): boolean {
  // Names are not measured where there is room for any.
  return mostBatchBytes(record) > maxBytes && batchBytes(record) > maxBytes
}

/** The size of a batch of this record alone, not compressed: what brokers compare with `max.message.bytes`. */
export function batchBytes({ key, value, headers }: NewRecord): number {
  // Attributes, and the distances from the batch's own time and offset, which are 0.
  let bytes = 3 + partBytes(key) + partBytes(value) + varintBytes(headers.length)
  for (const header of headers) {
    const name = Buffer.byteLength(header.name)
    bytes += varintBytes(name) + name + partBytes(header.value)
  }
  return BATCH_HEADER_BYTES + varintBytes(bytes) + bytes
}

function mostBatchBytes(record: NewRecord): number {
  if (record instanceof WrittenRecord) {
    return BATCH_HEADER_BYTES + MOST_AROUND.record + record.partsBytes
  }
  const { key, value, headers } = record
  let bytes = BATCH_HEADER_BYTES + MOST_AROUND.record + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) {
    bytes += MOST_AROUND.header + header.name.length * MOST_UTF8 + header.value.length
  }
  return bytes
}

function partBytes(part: Buffer | null): number {
  return part === null ? 1 : varintBytes(part.length) + part.length
}

/** Of a count or a length; negative numbers have every second code. */
function varintBytes(count: number): number {
  let bytes = 1
  for (let rest = count * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
