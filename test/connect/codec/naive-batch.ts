import type { OutgoingHeader } from '../../../src/connect/record-format.ts'

// Writes record batches by the letter of the protocol, byte by byte, so that any field can be set.
// Shares nothing with the codec.

export interface NaiveRecord {
  readonly offsetDelta: number
  readonly timestampDelta?: bigint
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  readonly headers?: readonly OutgoingHeader[]
}

export interface NaiveBatch {
  readonly records: readonly NaiveRecord[]
  readonly baseOffset?: bigint
  readonly lastOffsetDelta?: number
  readonly baseTimestamp?: bigint
  readonly maxTimestamp?: bigint
  readonly producerId?: bigint
  readonly epoch?: number
  readonly baseSequence?: number
  readonly attributes?: number
  readonly format?: number
  readonly count?: number
  /** Bytes in place of the records, when these are compressed or broken. */
  readonly body?: Buffer
}

// Bits of the attributes, by "Message Format" in Kafka's documentation.
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
export const DELETE_HORIZON = 0x40

export function naiveBatch(batch: NaiveBatch): Buffer {
  const { records } = batch
  const covered = Buffer.concat([
    int16(batch.attributes ?? 0),
    int32(batch.lastOffsetDelta ?? records.at(-1)?.offsetDelta ?? 0),
    int64(batch.baseTimestamp ?? 0n),
    int64(batch.maxTimestamp ?? 0n),
    int64(batch.producerId ?? -1n),
    int16(batch.epoch ?? -1),
    int32(batch.baseSequence ?? -1),
    int32(batch.count ?? records.length),
    batch.body ?? naiveRecords(records),
  ])
  const counted = Buffer.concat([
    int32(-1),
    Buffer.from([batch.format ?? 2]),
    uint32(naiveCrc32c(covered)),
    covered,
  ])
  return Buffer.concat([int64(batch.baseOffset ?? 0n), int32(counted.length), counted])
}

export function naiveRecords(records: readonly NaiveRecord[]): Buffer {
  return Buffer.concat(
    records.map(({ offsetDelta, timestampDelta = 0n, ...parts }) => {
      const body = Buffer.concat([
        Buffer.from([0]),
        naiveVarint(timestampDelta),
        naiveVarint(BigInt(offsetDelta)),
        naiveParts(parts),
      ])
      return Buffer.concat([naiveVarint(BigInt(body.length)), body])
    }),
  )
}

/** Key, value and headers. */
export function naiveParts(record: Pick<NaiveRecord, 'key' | 'value' | 'headers'>): Buffer {
  const { key = null, value = null, headers = [] } = record
  return Buffer.concat([
    part(key),
    part(value),
    naiveVarint(BigInt(headers.length)),
    ...headers.flatMap((header) => [part(Buffer.from(header.name)), part(header.value)]),
  ])
}

/** A marker that ends a producer's transaction. */
export function naiveMarker(batch: {
  baseOffset: bigint
  producerId: bigint
  kind: 'abort' | 'commit'
}): Buffer {
  const key = Buffer.from([0, 0, 0, batch.kind === 'abort' ? 0 : 1])
  const attributes = TRANSACTIONAL | CONTROL
  return naiveBatch({ ...batch, attributes, records: [{ offsetDelta: 0, key }] })
}

export function naiveVarint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = value < 0n ? -value * 2n - 1n : value * 2n
  do {
    bytes.push(Number(rest % 128n) + (rest >= 128n ? 128 : 0))
    rest /= 128n
  } while (rest > 0n)
  return Buffer.from(bytes)
}

/** Bit by bit. */
export function naiveCrc32c(bytes: Buffer): number {
  let crc = 0xffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc % 2n === 1n ? (crc / 2n) ^ 0x82f63b78n : crc / 2n
  }
  return Number(crc ^ 0xffffffffn)
}

function part(bytes: Buffer | null): Buffer {
  return bytes === null
    ? naiveVarint(-1n)
    : Buffer.concat([naiveVarint(BigInt(bytes.length)), bytes])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}
