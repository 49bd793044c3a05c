import { TidemarkError } from '../../../kernel/errors.ts'
import {
  CRC_FROM,
  HEADER_BYTES,
  type ProducerState,
  writeCrc,
  writeHeader,
} from './batch-header.ts'
import { type Compression, pack } from './compression.ts'
import { crc32c } from './crc32c.ts'
import type { RecordHeader } from './fetched-records.ts'
import { HeaderNames } from './header-names.ts'
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts'

/** A record to be written. */
export interface OutgoingRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** A whole number of ms since the epoch; −1: none. */
  readonly timestampMs: number
  readonly headers: readonly RecordHeader[]
}

export interface EncodeOptions {
  /**
   * The largest batch, bytes, before compression. Records go into as many batches as it takes; one that is over it by
   * itself goes alone, for the broker to refuse.
   */
  readonly maxBytes: number
  /** `null`: the broker is to keep no account of them. */
  readonly producer: ProducerState | null
  /** A batch that it would not make smaller stays as it is. */
  readonly compression: Compression
}

export interface EncodedBatch {
  /** Valid until the next {@link BatchEncoder.encode}. */
  readonly bytes: Buffer
  readonly count: number
}

/** Sequence numbers have 31 bits and begin again at 0. */
const LAST_SEQUENCE = 0x7fffffff
const FIRST_ROOM_BYTES = 64 * 2 ** 10
/** Shorter parts are copied byte by byte, which is quicker. */
const LONG = 32

const names = new HeaderNames()

/** Writes record batches into memory that it uses again. */
export class BatchEncoder {
  #room = Buffer.allocUnsafe(FIRST_ROOM_BYTES)
  #used = 0

  /** @throws TidemarkError `INVARIANT`: a timestamp is no whole number of ms */
  encode(records: readonly OutgoingRecord[], options: EncodeOptions): EncodedBatch[] {
    this.#used = 0
    return this.encodeMore(records, options)
  }

  /** What was encoded before stays valid. @throws as {@link encode} */
  encodeMore(records: readonly OutgoingRecord[], options: EncodeOptions): EncodedBatch[] {
    const batches: EncodedBatch[] = []
    let { producer } = options
    for (let from = 0; from < records.length; ) {
      const plan = planBatch(records, from, options.maxBytes)
      const count = plan.bodies.length
      batches.push({ bytes: this.#batch(records, plan, { ...options, producer }), count })
      from += count
      if (producer !== null) {
        producer = { ...producer, baseSequence: (producer.baseSequence + count) & LAST_SEQUENCE }
      }
    }
    return batches
  }

  #batch(records: readonly OutgoingRecord[], plan: Plan, options: EncodeOptions): Buffer {
    const at = this.#reserve(plan.bytes)
    const room = this.#room
    const recordsAt = at + HEADER_BYTES
    let end = writeRecords(room, recordsAt, { records, plan })
    const packed = pack(options.compression, room.subarray(recordsAt, end))
    if (packed !== null) end = recordsAt + packed.bytes.copy(room, recordsAt)
    writeHeader(room, at, {
      bytes: end - at,
      compression: packed?.number ?? 0,
      count: plan.bodies.length,
      baseTimestampMs: plan.baseTimestampMs,
      maxTimestampMs: plan.maxTimestampMs,
      producer: options.producer,
    })
    writeCrc(room, at, crc32c(room, at + CRC_FROM, end))
    this.#used = end
    return room.subarray(at, end)
  }

  /** Where so many bytes go. Batches of this call that do not fit beside them stay in the memory they are in. */
  #reserve(bytes: number): number {
    if (this.#used + bytes > this.#room.length) {
      this.#room = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#room.length))
      this.#used = 0
    }
    return this.#used
  }
}

/** Bytes of the batch that the records make, not compressed; at most `maxBytes`, unless the first alone is over it. */
export function batchBytes(records: readonly OutgoingRecord[]): number {
  return records.length === 0 ? 0 : planBatch(records, 0, Number.POSITIVE_INFINITY).bytes
}

/** What goes into a batch. */
interface Plan {
  readonly from: number
  /** Of each record, without the length that stands before it. */
  readonly bodies: readonly number[]
  /** Of the whole batch, not compressed. */
  readonly bytes: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
}

function planBatch(records: readonly OutgoingRecord[], from: number, maxBytes: number): Plan {
  const baseTimestampMs = (records[from] as OutgoingRecord).timestampMs
  const bodies: number[] = []
  let maxTimestampMs = baseTimestampMs
  let bytes = HEADER_BYTES
  for (let i = from; i < records.length; i++) {
    const record = records[i] as OutgoingRecord
    const { timestampMs } = record
    if (!Number.isSafeInteger(timestampMs) || timestampMs < -1) throw noTimestamp(timestampMs)
    const delta = varlongBytes(timestampMs - baseTimestampMs) + varintBytes(i - from)
    const body =
      1 + delta + partBytes(record.key) + partBytes(record.value) + headersBytes(record.headers)
    const withThis = bytes + varintBytes(body) + body
    if (withThis > maxBytes && i > from) break
    bodies.push(body)
    bytes = withThis
    if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs
  }
  return { from, bodies, bytes, baseTimestampMs, maxTimestampMs }
}

function partBytes(part: Buffer | null): number {
  return part === null ? 1 : varintBytes(part.length) + part.length
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let bytes = varintBytes(headers.length)
  for (const { name, value } of headers) bytes += partBytes(names.bytesOf(name)) + partBytes(value)
  return bytes
}

/** Writes what was planned; returns where it ends. */
function writeRecords(
  room: Buffer,
  start: number,
  { records, plan }: { records: readonly OutgoingRecord[]; plan: Plan },
): number {
  let at = start
  for (let i = 0; i < plan.bodies.length; i++) {
    const { key, value, timestampMs, headers } = records[plan.from + i] as OutgoingRecord
    at = writeVarint(room, at, plan.bodies[i] as number)
    room[at++] = 0
    at = writeVarlong(room, at, timestampMs - plan.baseTimestampMs)
    at = writeVarint(room, at, i)
    at = writePart(room, at, key)
    at = writePart(room, at, value)
    at = writeVarint(room, at, headers.length)
    for (const header of headers) {
      at = writePart(room, at, names.bytesOf(header.name))
      at = writePart(room, at, header.value)
    }
  }
  return at
}

function writePart(room: Buffer, at: number, part: Buffer | null): number {
  if (part === null) return writeVarint(room, at, -1)
  const { length } = part
  const begin = writeVarint(room, at, length)
  if (length > LONG) room.set(part, begin)
  else for (let i = 0; i < length; i++) room[begin + i] = part[i] as number
  return begin + length
}

function noTimestamp(timestampMs: number): TidemarkError {
  return new TidemarkError('INVARIANT', `${timestampMs} is no timestamp of a record`)
}
