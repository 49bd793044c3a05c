import { createRequire } from 'node:module'
import type { EncodeOptions } from '../../../src/connect/kafka/codec/encode.ts'
import type { OutgoingRecord } from '../../../src/connect/record-format.ts'
import type { FetchedRecord } from './support.ts'

// The library's own codec, to compare with: it is not part of what it exports.

interface Encoder {
  readonly buffer: Buffer
  writeBytes(bytes: Buffer): Encoder
}
interface Message {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>
}

const inside = createRequire(import.meta.resolve('kafkajs'))
const KafkaEncoder = inside('./src/protocol/encoder') as new () => Encoder
const KafkaDecoder = inside('./src/protocol/decoder') as new (bytes: Buffer) => unknown
const decodeMessages = inside('./src/protocol/requests/fetch/v4/decodeMessages') as (
  decoder: unknown,
) => Promise<Message[]>
const record = inside('./src/protocol/recordBatch/record/v0') as (fields: object) => Encoder
const { RecordBatch } = inside('./src/protocol/recordBatch/v0') as {
  RecordBatch: (fields: object) => Promise<Encoder>
}

/** Decodes a record set with the library, control records included. */
export function decodeWithKafkajs(set: Buffer): Promise<Message[]> {
  return decodeMessages(new KafkaDecoder(new KafkaEncoder().writeBytes(set).buffer))
}

/** The library's messages as records; headers of the same name stand together. */
export async function recordsOfKafkajs(set: Buffer): Promise<FetchedRecord[]> {
  const messages = await decodeWithKafkajs(set)
  return messages.map(({ offset, timestamp, key, value, headers }) => ({
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.entries(headers).flatMap(([name, values]) =>
      (Array.isArray(values) ? (values as (Buffer | null)[]) : [values as Buffer | null]).map(
        (one) => ({ name, value: one }),
      ),
    ),
  }))
}

/** One batch as the library's producer writes it. */
export async function encodeWithKafkajs(
  records: readonly OutgoingRecord[],
  { producer, compression }: Omit<EncodeOptions, 'maxBytes'>,
): Promise<Buffer> {
  const timestamps = records.map(({ timestampMs }) => timestampMs)
  const firstTimestamp = timestamps[0] as number
  const batch = await RecordBatch({
    compression: compression === 'gzip' ? 1 : 0,
    firstTimestamp,
    maxTimestamp: Math.max(...timestamps),
    partitionLeaderEpoch: -1,
    lastOffsetDelta: records.length - 1,
    transactional: producer?.isTransactional ?? false,
    producerId: producer?.id ?? -1,
    producerEpoch: producer?.epoch ?? -1,
    firstSequence: producer?.baseSequence ?? -1,
    records: records.map(({ key, value, timestampMs, headers }, offsetDelta) =>
      record({
        offsetDelta,
        timestampDelta: timestampMs - firstTimestamp,
        key,
        value,
        headers: Object.fromEntries(headers.map((header) => [header.name, header.value])),
      }),
    ),
  })
  return batch.buffer
}
