import type { Message, RecordMetadata, TopicMessages } from 'kafkajs'
import { partitionName } from '../partition-name.ts'
import { partitionOf } from '../partitioner.ts'
import type { Header, NewRecord, TopicInfo } from '../port.ts'

// How many records become produce requests, and whether a request was answered in full.

/** The library groups a request's records in time that grows with the square of their number per partition. */
const RECORDS_PER_PARTITION = 1_000
/** Far below what a broker takes in one request (`socket.request.max.bytes`, 100 MB). */
const REQUEST_BYTES = 8_000_000
/** What brokers take unless told otherwise. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
/** More than a batch's header, and than a record's lengths, offset and timestamp, take up. */
const BATCH_OVERHEAD = 128
const RECORD_OVERHEAD = 48
const HEADER_OVERHEAD = 10

/** One produce request: records by topic, each with its partition. */
export type Request = TopicMessages[]

/**
 * Cuts records into requests to be sent one after the other, so that the order within each partition stays. A partition's
 * share of a request becomes one batch, which must be below the topic's limit; a record over it goes alone.
 */
export function* requestsOf(
  records: readonly NewRecord[],
  topics: ReadonlyMap<string, TopicInfo>,
): Generator<Request> {
  let byTopic = new Map<string, Message[]>()
  let shares = new Map<string, { records: number; bytes: number }>()
  let requestBytes = 0
  for (const record of records) {
    const info = topics.get(record.topic)
    const partition = partitionOf(record, info?.partitions ?? 1)
    const bytes = sizeOf(record)
    const share = partitionName({ topic: record.topic, partition })
    const limit = (info?.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES) - BATCH_OVERHEAD
    const before = shares.get(share) ?? { records: 0, bytes: 0 }
    const over =
      before.records === RECORDS_PER_PARTITION ||
      (before.records > 0 && before.bytes + bytes > limit) ||
      (requestBytes > 0 && requestBytes + bytes > REQUEST_BYTES)
    if (over) {
      yield topicMessages(byTopic)
      byTopic = new Map()
      shares = new Map()
      requestBytes = 0
    }
    const { records: count, bytes: taken } = shares.get(share) ?? { records: 0, bytes: 0 }
    shares.set(share, { records: count + 1, bytes: taken + bytes })
    requestBytes += bytes
    const messages = byTopic.get(record.topic)
    const message = libraryMessage(record, partition)
    if (messages === undefined) byTopic.set(record.topic, [message])
    else messages.push(message)
  }
  if (byTopic.size > 0) yield topicMessages(byTopic)
}

/**
 * Partitions of a request for which no broker answered. When a leader moves to a broker that has answered already, the
 * library's next attempt leaves the moved partition out and reports success.
 */
export function unanswered(request: Request, answers: readonly RecordMetadata[]): string[] {
  const answered = new Set(
    answers.map(({ topicName, partition }) => partitionName({ topic: topicName, partition })),
  )
  const sent = new Set(
    request.flatMap(({ topic, messages }) =>
      messages.map(({ partition = 0 }) => partitionName({ topic, partition })),
    ),
  )
  return [...sent].filter((name) => !answered.has(name))
}

function topicMessages(byTopic: ReadonlyMap<string, Message[]>): Request {
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }))
}

function libraryMessage(
  { key, value, timestampMs, headers }: NewRecord,
  partition: number,
): Message {
  const message = { key, value, partition, timestamp: String(timestampMs) }
  return headers.length === 0 ? message : { ...message, headers: headersOf(headers) }
}

/** Headers of one name become a list. Built from entries, so that `__proto__` is a name like any other. */
function headersOf(headers: readonly Header[]): NonNullable<Message['headers']> {
  const byName = new Map<string, Buffer[]>()
  for (const { name, value } of headers) {
    const values = byName.get(name)
    if (values === undefined) byName.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(byName)
}

function sizeOf({ key, value, headers }: NewRecord): number {
  let bytes = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0)
  for (const { name, value: of } of headers) {
    bytes += HEADER_OVERHEAD + Buffer.byteLength(name) + of.length
  }
  return bytes
}
