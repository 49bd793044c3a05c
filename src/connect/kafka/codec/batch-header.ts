import { crc32c as checksum } from '@node-rs/crc32'
import { TidemarkError } from '../../../kernel/errors.ts'

// The header of a record batch, message format 2: its first 61 bytes.

/** Position of each field, bytes from the start of the batch. */
const AT = {
  baseOffset: 0,
  /** Length of the bytes after this field. */
  length: 8,
  leaderEpoch: 12,
  format: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const

export const HEADER_BYTES = 61
/** Position from which the checksum covers the batch. */
const CRC_FROM = AT.attributes
/** Bytes that the length field does not count. */
const BEFORE_LENGTH_COUNTS = AT.leaderEpoch
const FORMAT = 2
const NONE = -1

const COMPRESSION = 0b111
const LOG_APPEND_TIME = 1 << 3
const TRANSACTIONAL = 1 << 4
const CONTROL = 1 << 5

export interface BatchHeader {
  readonly baseOffset: number
  /** The last offset when it was written; compaction may have removed the last records, or all. */
  readonly lastOffset: number
  readonly compression: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly baseTimestamp: bigint
  readonly baseTimestampMs: number
  /** Timestamp of its newest record, rounded beyond 2^53. */
  readonly maxTimestampMs: number
  /** The broker's timestamp for all records, ms; `null`: each record has its producer's. */
  readonly logAppendTimeMs: number | null
  readonly producerId: number
  readonly count: number
}

/**
 * `null`: less than a header.
 * @throws TidemarkError `NOT_SUPPORTED`: an older format · `BATCH_CORRUPT`
 */
export function lengthOfBatch(set: Buffer, at: number): number | null {
  // Older formats have their number at the same position, in messages that may be shorter than a
  // header.
  const format = set[at + AT.format]
  if (format !== undefined && format !== FORMAT) throw otherFormat(format)
  if (set.length - at < HEADER_BYTES) return null
  const length = BEFORE_LENGTH_COUNTS + set.readInt32BE(at + AT.length)
  if (length < HEADER_BYTES) throw corrupt(`a batch of ${length} bytes is shorter than its header`)
  return length
}

export function readBaseOffset(set: Buffer, at: number): number {
  return numberAt(set, at + AT.baseOffset, 'offset')
}

/** Epoch of the leader that accepted the batch; −1: not known. */
export function readLeaderEpoch(set: Buffer, at: number): number {
  return set.readInt32BE(at + AT.leaderEpoch)
}

export function readLastOffset(set: Buffer, at: number): number {
  return readBaseOffset(set, at) + set.readInt32BE(at + AT.lastOffsetDelta)
}

export function isIntact(set: Buffer, at: number, to: number): boolean {
  return crc32c(set, at + CRC_FROM, to) === set.readUInt32BE(at + AT.crc)
}

/** @throws TidemarkError `NOT_SUPPORTED`: a number is above 2^53 · `BATCH_CORRUPT` */
export function readHeader(set: Buffer, at: number): BatchHeader {
  const baseOffset = readBaseOffset(set, at)
  const lastOffsetDelta = set.readInt32BE(at + AT.lastOffsetDelta)
  const count = set.readInt32BE(at + AT.count)
  if (baseOffset < 0) throw corrupt(`the batch's offset is ${baseOffset}`)
  if (lastOffsetDelta < 0)
    throw corrupt(`the batch's last offset is ${lastOffsetDelta} past its first`)
  if (count < 0 || count > lastOffsetDelta + 1) {
    throw corrupt(`a batch of ${lastOffsetDelta + 1} offsets has ${count} records`)
  }
  const lastOffset = baseOffset + lastOffsetDelta
  if (lastOffset >= Number.MAX_SAFE_INTEGER) throw tooHigh('offset')
  const attributes = set.readInt16BE(at + AT.attributes)
  const baseTimestamp = set.readBigInt64BE(at + AT.baseTimestamp)
  const maxTimestampMs = Number(set.readBigInt64BE(at + AT.maxTimestamp))
  const isStamped = (attributes & LOG_APPEND_TIME) !== 0
  return {
    baseOffset,
    lastOffset,
    compression: attributes & COMPRESSION,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    baseTimestamp,
    baseTimestampMs: Number(baseTimestamp),
    maxTimestampMs,
    logAppendTimeMs: isStamped ? maxTimestampMs : null,
    producerId: numberAt(set, at + AT.producerId, 'producer id'),
    count,
  }
}

function numberAt(set: Buffer, at: number, field: string): number {
  const value = set.readInt32BE(at) * 2 ** 32 + set.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw tooHigh(field)
  return value
}

export interface ProducerState {
  readonly id: number
  readonly epoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
}

type WrittenField = 'compression' | 'count' | 'baseTimestampMs' | 'maxTimestampMs'

interface NewHeader extends Pick<BatchHeader, WrittenField> {
  readonly bytes: number
  readonly producer: ProducerState
}

/** Writes everything but the checksum. The broker sets the offset. */
export function writeHeader(batch: Buffer, at: number, header: NewHeader): void {
  const { producer } = header
  const transactional = producer.isTransactional ? TRANSACTIONAL : 0
  batch.fill(0, at + AT.baseOffset, at + AT.length)
  batch.writeInt32BE(header.bytes - BEFORE_LENGTH_COUNTS, at + AT.length)
  batch.writeInt32BE(NONE, at + AT.leaderEpoch)
  batch.writeUInt8(FORMAT, at + AT.format)
  batch.writeInt16BE(header.compression | transactional, at + AT.attributes)
  batch.writeInt32BE(header.count - 1, at + AT.lastOffsetDelta)
  batch.writeBigInt64BE(BigInt(header.baseTimestampMs), at + AT.baseTimestamp)
  batch.writeBigInt64BE(BigInt(header.maxTimestampMs), at + AT.maxTimestamp)
  batch.writeBigInt64BE(BigInt(producer.id), at + AT.producerId)
  batch.writeInt16BE(producer.epoch, at + AT.producerEpoch)
  batch.writeInt32BE(producer.baseSequence, at + AT.baseSequence)
  batch.writeInt32BE(header.count, at + AT.count)
}

export function writeCrc(batch: Buffer, at: number, to: number): void {
  batch.writeUInt32BE(crc32c(batch, at + CRC_FROM, to), at + AT.crc)
}

function otherFormat(format: number): TidemarkError {
  if (format > FORMAT) return corrupt(`message format ${format} is not known`)
  return new TidemarkError('NOT_SUPPORTED', `records are in message format ${format}`, {
    hint: 'brokers have written format 2 since Kafka 0.11: copy the topic into a new one',
  })
}

function tooHigh(field: string): TidemarkError {
  return new TidemarkError('NOT_SUPPORTED', `the ${field} is above 2^53`)
}

/** The CRC-32C (Castagnoli) of `bytes[from, to)`, unsigned. */
export function crc32c(bytes: Buffer, from: number, to: number): number {
  return checksum(bytes.subarray(from, to))
}

export function corrupt(message: string, cause?: unknown): TidemarkError {
  return new TidemarkError('BATCH_CORRUPT', message, { cause })
}

export function unpacksTooLarge(maxBytes: number): TidemarkError {
  return new TidemarkError('BATCH_TOO_LARGE', `the batch unpacks to more than ${maxBytes} bytes`, {
    hint: 'have its producer write smaller batches (batch.size)',
  })
}
