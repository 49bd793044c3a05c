import { ByteRoom } from '../../../kernel/bytes.ts'
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

/** Encodes records into reused rooms, and begins a new batch where the next record does not fit. */
export class BatchEncoder {
  /** Kept for the next call, because each would live until the next marking of all memory. */
  #rooms: ByteRoom[] = [new ByteRoom()]
  /** Index of the one that is written to. */
  #room = 0

  /** Reuses the memory of the last call: earlier batches become invalid. */
  begin(): void {
    this.#rooms = this.#rooms.slice(0, this.#room + 1)
    this.#room = 0
    for (const room of this.#rooms) room.clear()
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
    const { maxBytes, compression, producer } = options
    const room = this.#roomFor(maxBytes)
    const at = room.used
    const written = this.#write(selection, from, maxBytes)
    const recordsAt = at + HEADER_BYTES
    const packed = pack(compression, room.bytes.subarray(recordsAt, room.used))
    if (packed !== null) room.used = recordsAt + packed.bytes.copy(room.bytes, recordsAt)
    const bytes = room.used - at
    writeHeader(room.bytes, at, { ...written, bytes, compression: packed?.number ?? 0, producer })
    writeCrc(room.bytes, at, room.used)
    return { bytes: room.bytes.subarray(at, room.used), count: written.count }
  }

  /** A room that grows would copy the batches before this one, too: such a batch gets the next one. */
  #roomFor(maxBytes: number): ByteRoom {
    const room = this.#rooms[this.#room] as ByteRoom
    if (room.used === 0 || room.left >= maxBytes) return room
    return (this.#rooms[++this.#room] ??= new ByteRoom(4 * maxBytes))
  }

  /** Writes as many records as fit into a batch, after space for its header. */
  #write({ records, indices }: Selection, from: number, maxBytes: number) {
    const baseTimestampMs = records.timestampMs(indices[from] as number)
    let maxTimestampMs = baseTimestampMs
    const room = this.#rooms[this.#room] as ByteRoom
    room.reserve(HEADER_BYTES)
    room.used += HEADER_BYTES
    let left = maxBytes - HEADER_BYTES
    let i = from
    for (; i < indices.length; i++) {
      const index = indices[i] as number
      const timestampMs = records.timestampMs(index)
      if (!Number.isSafeInteger(timestampMs) || timestampMs < -1) throw noTimestamp(timestampMs)
      const delta = timestampMs - baseTimestampMs
      const body = 1 + varlongBytes(delta) + varintBytes(i - from) + records.partsBytes(index)
      const bytes = varintBytes(body) + body
      if (bytes > left && i > from) break
      left -= bytes
      room.reserve(bytes)
      let at = writeVarint(room.bytes, room.used, body)
      room.bytes[at++] = 0
      at = writeVarlong(room.bytes, at, delta)
      room.used = writeVarint(room.bytes, at, i - from)
      records.appendTo(room, index)
      if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs
    }
    return { count: i - from, baseTimestampMs, maxTimestampMs }
  }
}

function noTimestamp(timestampMs: number): TidemarkError {
  const rule = 'it must be a whole number of ms, −1 or more'
  return new TidemarkError('INVARIANT', `${timestampMs} is not a valid record timestamp: ${rule}`)
}
