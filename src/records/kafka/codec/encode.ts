import { TidemarkError } from '../../../kernel/errors.ts'
import { atOnce } from '../../../kernel/slices.ts'
import { varintBytes, writeVarint } from '../../varint.ts'
import { WrittenRecord } from '../../written-record.ts'
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
import { RecordView } from './record-view.ts'
import { varlongBytes, writeVarlong } from './varint.ts'

/** A record to be written. */
export interface OutgoingRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** A whole number of ms since the epoch; −1: none. */
  readonly timestampMs: number
  readonly headers: readonly RecordHeader[]
  /** Whose key, value and headers these are; of a {@link RecordView} they are copied as they lie in the log. */
  readonly copyOf?: object
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
  /** Valid until the next {@link BatchEncoder.begin}. */
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
    this.begin()
    return atOnce(this.encodeMore(records, options))
  }

  /** What was encoded before is valid no more. */
  begin(): void {
    this.#used = 0
  }

  /** What was encoded before stays valid. Yields after each batch. @throws as {@link encode} */
  *encodeMore(
    records: readonly OutgoingRecord[],
    options: EncodeOptions,
  ): Generator<void, EncodedBatch[]> {
    const batches: EncodedBatch[] = []
    let { producer } = options
    for (let from = 0; from < records.length; ) {
      const { bytes, count } = this.#batch(records, from, { ...options, producer })
      batches.push({ bytes, count })
      from += count
      if (producer !== null) {
        producer = { ...producer, baseSequence: (producer.baseSequence + count) & LAST_SEQUENCE }
      }
      yield
    }
    return batches
  }

  #batch(records: readonly OutgoingRecord[], from: number, options: EncodeOptions): EncodedBatch {
    const { count, maxTimestampMs, end: unpacked } = this.#write(records, from, options.maxBytes)
    const room = this.#room
    const at = this.#used
    const recordsAt = at + HEADER_BYTES
    const packed = pack(options.compression, room.subarray(recordsAt, unpacked))
    const end = packed === null ? unpacked : recordsAt + packed.bytes.copy(room, recordsAt)
    writeHeader(room, at, {
      bytes: end - at,
      compression: packed?.number ?? 0,
      count,
      baseTimestampMs: (records[from] as OutgoingRecord).timestampMs,
      maxTimestampMs,
      producer: options.producer,
    })
    writeCrc(room, at, crc32c(room, at + CRC_FROM, end))
    this.#used = end
    return { bytes: room.subarray(at, end), count }
  }

  /** Writes as many records as go into a batch; it begins at `#used`, where room for its header is left. */
  #write(records: readonly OutgoingRecord[], from: number, maxBytes: number): Written {
    const baseTimestampMs = (records[from] as OutgoingRecord).timestampMs
    let maxTimestampMs = baseTimestampMs
    this.#reserve(HEADER_BYTES, HEADER_BYTES)
    let room: Buffer = this.#room
    let start = this.#used
    let bytes = HEADER_BYTES
    let i = from
    for (; i < records.length; i++) {
      const record = records[i] as OutgoingRecord
      const { timestampMs } = record
      if (!Number.isSafeInteger(timestampMs) || timestampMs < -1) throw noTimestamp(timestampMs)
      const delta = timestampMs - baseTimestampMs
      const parts = partsOf(record)
      const body = 1 + varlongBytes(delta) + varintBytes(i - from) + partsBytes(parts)
      const withThis = bytes + varintBytes(body) + body
      if (withThis > maxBytes && i > from) break
      if (start + withThis > room.length) {
        room = this.#reserve(bytes, withThis)
        start = this.#used
      }
      let at = writeVarint(room, start + bytes, body)
      room[at++] = 0
      at = writeVarlong(room, at, delta)
      at = writeVarint(room, at, i - from)
      writeParts(room, at, parts)
      bytes = withThis
      if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs
    }
    return { count: i - from, maxTimestampMs, end: start + bytes }
  }

  /**
   * Memory for a batch of so many bytes, of which some are written. Batches of this call that are complete stay in the
   * memory they are in.
   */
  #reserve(written: number, bytes: number): Buffer {
    if (this.#used + bytes > this.#room.length) {
      const room = Buffer.allocUnsafe(2 * Math.max(bytes, this.#room.length))
      this.#room.copy(room, 0, this.#used, this.#used + written)
      this.#room = room
      this.#used = 0
    }
    return this.#room
  }
}

interface Written {
  readonly count: number
  readonly maxTimestampMs: number
  /** Where it ends in the room. */
  readonly end: number
}

/** Key, value and headers of a record: of one that may make them when they are asked for, read once. */
type Parts = Copied | Pick<OutgoingRecord, 'key' | 'value' | 'headers'>
/** They are copied as they lie. */
type Copied = RecordView | WrittenRecord

function partsOf(record: OutgoingRecord): Parts {
  if (record instanceof WrittenRecord) return record
  const { copyOf } = record
  if (copyOf instanceof RecordView) return copyOf
  const { key, value, headers } = record
  return { key, value, headers }
}

function isCopied(parts: Parts): parts is Copied {
  return parts instanceof WrittenRecord || parts instanceof RecordView
}

function partsBytes(parts: Parts): number {
  if (isCopied(parts)) return parts.partsBytes
  return partBytes(parts.key) + partBytes(parts.value) + headersBytes(parts.headers)
}

function partBytes(part: Buffer | null): number {
  return part === null ? 1 : varintBytes(part.length) + part.length
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let bytes = varintBytes(headers.length)
  for (const { name, value } of headers) bytes += partBytes(names.bytesOf(name)) + partBytes(value)
  return bytes
}

function writeParts(room: Buffer, start: number, parts: Parts): void {
  if (isCopied(parts)) {
    parts.copyParts(room, start)
    return
  }
  let at = writePart(room, start, parts.key)
  at = writePart(room, at, parts.value)
  at = writeVarint(room, at, parts.headers.length)
  for (const { name, value } of parts.headers) {
    at = writePart(room, at, names.bytesOf(name))
    at = writePart(room, at, value)
  }
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
