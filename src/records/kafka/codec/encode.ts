import { TidemarkError } from '../../../kernel/errors.ts'
import type { Compression } from '../../../kernel/kafka.ts'
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from '../../record-format.ts'
import type { WrittenRecords } from '../../written-records.ts'
import { HEADER_BYTES, type ProducerState, writeCrc, writeHeader } from './batch-header.ts'
import { pack } from './compression.ts'

export interface Selection {
  readonly records: WrittenRecords
  readonly indices: readonly number[]
}

export interface EncodeOptions {
  /** Largest batch before compression, bytes; a record over it gets its own, to be refused. */
  readonly maxBytes: number
  readonly producer: ProducerState
  /** A batch that compression would not make smaller stays uncompressed. */
  readonly compression: Compression
}

export interface EncodedBatch {
  readonly bytes: Buffer
  readonly count: number
}

/** Sequence numbers have 31 bits and wrap around to 0. */
export const LAST_SEQUENCE = 0x7fffffff
const FIRST_ROOM_BYTES = 64 * 2 ** 10

export class BatchEncoder {
  #room = Buffer.allocUnsafe(FIRST_ROOM_BYTES)
  #view = viewOf(this.#room)
  #used = 0

  /** Reuses the memory: earlier batches become invalid. */
  begin(): void {
    this.#used = 0
  }

  /**
   * Encodes a selection; earlier batches stay valid. Yields after each batch.
   * @throws TidemarkError `INVARIANT`: a timestamp is not a whole number of ms
   */
  *encode(selection: Selection, options: EncodeOptions): Generator<void, EncodedBatch[]> {
    const batches: EncodedBatch[] = []
    let { producer } = options
    for (let from = 0; from < selection.indices.length; ) {
      const { bytes, count } = this.#batch(selection, from, { ...options, producer })
      batches.push({ bytes, count })
      from += count
      producer = { ...producer, baseSequence: (producer.baseSequence + count) & LAST_SEQUENCE }
      yield
    }
    return batches
  }

  #batch(selection: Selection, from: number, options: EncodeOptions): EncodedBatch {
    const written = this.#write(selection, from, options.maxBytes)
    const { count, baseTimestampMs, maxTimestampMs, end: unpacked } = written
    const room = this.#room
    const at = this.#used
    const recordsAt = at + HEADER_BYTES
    const packed = pack(options.compression, room.subarray(recordsAt, unpacked))
    const end = packed === null ? unpacked : recordsAt + packed.bytes.copy(room, recordsAt)
    writeHeader(room, at, {
      bytes: end - at,
      compression: packed?.number ?? 0,
      count,
      baseTimestampMs,
      maxTimestampMs,
      producer: options.producer,
    })
    writeCrc(room, at, end)
    this.#used = end
    return { bytes: room.subarray(at, end), count }
  }

  /** Writes as many records as fit into a batch at `#used`, after space for its header. */
  #write({ records, indices }: Selection, from: number, maxBytes: number) {
    const baseTimestampMs = records.timestampMs(indices[from] as number)
    let maxTimestampMs = baseTimestampMs
    this.#reserve(HEADER_BYTES, HEADER_BYTES)
    let room: Buffer = this.#room
    let start = this.#used
    let bytes = HEADER_BYTES
    let i = from
    for (; i < indices.length; i++) {
      const index = indices[i] as number
      const timestampMs = records.timestampMs(index)
      if (!Number.isSafeInteger(timestampMs) || timestampMs < -1) throw noTimestamp(timestampMs)
      const delta = timestampMs - baseTimestampMs
      const body = 1 + varlongBytes(delta) + varintBytes(i - from) + records.partsBytes(index)
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
      records.copyParts(index, this.#view, at)
      bytes = withThis
      if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs
    }
    return { count: i - from, baseTimestampMs, maxTimestampMs, end: start + bytes }
  }

  /** Returns memory for a batch of `bytes` bytes, of which `written` are written already. */
  #reserve(written: number, bytes: number): Buffer {
    if (this.#used + bytes > this.#room.length) {
      const room = Buffer.allocUnsafe(2 * Math.max(bytes, this.#room.length))
      this.#room.copy(room, 0, this.#used, this.#used + written)
      this.#room = room
      this.#view = viewOf(room)
      this.#used = 0
    }
    return this.#room
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

function noTimestamp(timestampMs: number): TidemarkError {
  return new TidemarkError(
    'INVARIANT',
    `${timestampMs} is not a valid record timestamp: it must be a whole number of ms, −1 or more`,
  )
}
