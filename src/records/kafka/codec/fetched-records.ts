import { type ByteRoom, Memory, type Place } from '../../../kernel/bytes.ts'
import type { Header, LogRecord, LogRecords } from '../../port.ts'
import { NumberReader, type OutgoingHeader } from '../../record-format.ts'
import { type BatchHeader, corrupt } from './batch-header.ts'

/**
 * Indices within a row of `spans`: where a part begins, then its length, −1 for `null`; for
 * `parts`, from the key's length to the last header, then their end.
 */
const SPAN = { key: 0, value: 2, parts: 4, row: 6 } as const

/** How much is decoded in one go, at most, but always at least one record. */
export interface Most {
  readonly records: number
  readonly bytes: number
}

/** A batch that is being decoded. */
export interface OpenBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
  at: number
  readonly to: number
  left: number
  lastOffset: number
}

export class RecordColumns {
  readonly bytes: Buffer
  readonly memory: Memory
  readonly offsets: Float64Array
  readonly timestampsMs: Float64Array
  readonly spans: Int32Array
  readonly #fromOffset: number
  length = 0
  hasHeaders = false

  constructor(bytes: Buffer, capacity: number, fromOffset: number) {
    this.bytes = bytes
    this.memory = new Memory(bytes.buffer)
    this.offsets = new Float64Array(capacity)
    this.timestampsMs = new Float64Array(capacity)
    this.spans = new Int32Array(capacity * SPAN.row)
    this.#fromOffset = fromOffset
  }

  /**
   * Checks every number, so that later reads cannot fail.
   * @param shift how far the batch's bytes are shifted within the bytes of the columns
   * @throws TidemarkError `BATCH_CORRUPT`
   */
  decode(batch: OpenBatch, shift: number, most: Most): void {
    const { offsets, timestampsMs, spans } = this
    const { header } = batch
    const reader = new NumberReader(this.bytes, batch.at + shift)
    const full = reader.at + most.bytes
    const least = Math.max(0, batch.left - most.records)
    let { left, lastOffset } = batch
    let headers = 0
    let row = this.length
    for (; left > least && reader.at < full; left--) {
      const length = reader.varint()
      const end = reader.at + length
      // Attributes, which are unused so far.
      reader.at++
      timestampsMs[row] = timestampOf(header, reader.varlong())
      const offset = header.baseOffset + reader.varint()
      if (offset <= lastOffset || offset > header.lastOffset) {
        throw corrupt(`offset ${offset} after ${lastOffset}, in a batch up to ${header.lastOffset}`)
      }
      offsets[row] = offset
      spans[row * SPAN.row + SPAN.parts] = reader.at
      spans[row * SPAN.row + SPAN.parts + 1] = end
      skipPart(reader, spans, row * SPAN.row + SPAN.key)
      skipPart(reader, spans, row * SPAN.row + SPAN.value)
      headers |= skipHeaders(reader)
      if (reader.at !== end) throw corrupt(`the record at ${offset} is not as long as it says`)
      if (offset >= this.#fromOffset) row++
      lastOffset = offset
    }
    batch.at = reader.at - shift
    batch.left = left
    batch.lastOffset = lastOffset
    this.length = row
    if (headers !== 0) this.hasHeaders = true
    if (left === 0 && batch.at !== batch.to) {
      throw corrupt('the batch is not as long as its records')
    }
  }
}

function skipPart(reader: NumberReader, spans: Int32Array, span: number): void {
  const length = reader.varint()
  spans[span] = reader.at
  spans[span + 1] = length
  if (length > 0) reader.at += length
}

/** 64 bits, rounded afterwards: some producers write the largest possible timestamp. */
function timestampOf(batch: BatchHeader, delta: number | bigint): number {
  if (batch.logAppendTimeMs !== null) return batch.logAppendTimeMs
  if (typeof delta === 'number' && Number.isSafeInteger(batch.baseTimestampMs)) {
    return batch.baseTimestampMs + delta
  }
  return Number(BigInt.asIntN(64, batch.baseTimestamp + BigInt(delta)))
}

function skipHeaders(reader: NumberReader): number {
  const count = reader.varint()
  if (count < 0) throw corrupt(`a record has ${count} headers`)
  for (let left = count; left > 0; left--) {
    if (reader.at >= reader.bytes.length) throw corrupt('a record has fewer headers than it says')
    const nameLength = reader.varint()
    if (nameLength < 0) throw corrupt('a header has no name')
    reader.at += nameLength
    const valueLength = reader.varint()
    if (valueLength > 0) reader.at += valueLength
  }
  return count
}

const NONE_BYTES = 1
const EMPTY = Buffer.alloc(0)

type Columns = Omit<RecordColumns, 'decode'>

/** Records of one partition in log order, as columns. Buffers are views into the fetched bytes. */
export class FetchedRecords implements LogRecords {
  readonly length: number
  readonly offsets: Float64Array
  /** ms since the epoch; −1: none. Rounded beyond 2^53. */
  readonly timestampsMs: Float64Array
  /** After the last record and the markers, aborted records and gaps that follow it. */
  readonly nextOffset: number
  readonly hasHeaders: boolean
  readonly #bytes: Buffer
  readonly #spans: Int32Array
  readonly #memory: Memory

  constructor(columns: Columns, nextOffset: number) {
    const { length } = columns
    this.offsets = columns.offsets.subarray(0, length)
    this.timestampsMs = columns.timestampsMs.subarray(0, length)
    this.length = length
    this.nextOffset = nextOffset
    this.hasHeaders = columns.hasHeaders
    this.#bytes = columns.bytes
    this.#spans = columns.spans
    this.#memory = columns.memory
  }

  *[Symbol.iterator](): Generator<LogRecord, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }

  at(index: number): LogRecord {
    return new RecordView(this, index)
  }

  offsetAt(index: number): number {
    return this.offsets[index] as number
  }

  timestampMsAt(index: number): number {
    return this.timestampsMs[index] as number
  }

  key(index: number): Buffer | null {
    return this.#view(index * SPAN.row + SPAN.key)
  }

  value(index: number): Buffer | null {
    return this.#view(index * SPAN.row + SPAN.value)
  }

  locate(index: number, into: Place): boolean {
    const spans = this.#spans
    const row = index * SPAN.row
    const length = spans[row + SPAN.value + 1] as number
    into.memory = this.#memory
    into.from = length < 0 ? -1 : this.#bytes.byteOffset + (spans[row + SPAN.value] as number)
    into.to = into.from + length
    return (spans[row + SPAN.key + 1] as number) >= 0
  }

  headers(index: number): readonly OutgoingHeader[] {
    return new NumberReader(this.#bytes, this.#headersAt(index)).headers()
  }

  locateHeaders(index: number, into: Place): void {
    const { byteOffset } = this.#bytes
    into.memory = this.#memory
    into.from = byteOffset + this.#headersAt(index)
    into.to = byteOffset + (this.#spans[index * SPAN.row + SPAN.parts + 1] as number)
  }

  /** The headers begin where the value ends. */
  #headersAt(index: number): number {
    return (this.#spans[index * SPAN.row + SPAN.value] as number) + this.valueBytes(index)
  }

  valueBytes(index: number): number {
    return Math.max(0, this.#spans[index * SPAN.row + SPAN.value + 1] as number)
  }

  partsBytes(index: number): number {
    const span = index * SPAN.row + SPAN.parts
    return (this.#spans[span + 1] as number) - (this.#spans[span] as number)
  }

  appendKey(index: number, into: ByteRoom): void {
    const row = index * SPAN.row
    const start = this.#spans[row + SPAN.parts] as number
    const key = this.#spans[row + SPAN.key] as number
    const length = this.#spans[row + SPAN.key + 1] as number
    const end = length < 0 ? start + NONE_BYTES : key + length
    const { byteOffset } = this.#bytes
    into.copy(this.#memory, byteOffset + start, byteOffset + end)
  }

  locateParts(index: number, into: Place): void {
    const span = index * SPAN.row + SPAN.parts
    const { byteOffset } = this.#bytes
    into.memory = this.#memory
    into.from = byteOffset + (this.#spans[span] as number)
    into.to = byteOffset + (this.#spans[span + 1] as number)
  }

  slice(from: number, to = this.length): LogRecords {
    const offsets = this.offsets.subarray(from, to)
    const timestampsMs = this.timestampsMs.subarray(from, to)
    const spans = this.#spans.subarray(from * SPAN.row, to * SPAN.row)
    const columns = { ...this.#columns, offsets, timestampsMs, spans, length: offsets.length }
    return new FetchedRecords(columns, this.nextOffset)
  }

  pick(indices: readonly number[]): LogRecords {
    const { length } = indices
    const offsets = new Float64Array(length)
    const timestampsMs = new Float64Array(length)
    const spans = new Int32Array(length * SPAN.row)
    // Iterators and subarrays would cost ten times as much as what is copied.
    for (let row = 0; row < length; row++) {
      const index = indices[row] as number
      offsets[row] = this.offsets[index] as number
      timestampsMs[row] = this.timestampsMs[index] as number
      const from = index * SPAN.row
      const to = row * SPAN.row
      for (let i = 0; i < SPAN.row; i++) spans[to + i] = this.#spans[from + i] as number
    }
    const columns = { ...this.#columns, offsets, timestampsMs, spans, length }
    return new FetchedRecords(columns, this.nextOffset)
  }

  get #columns(): Columns {
    const { offsets, timestampsMs, length, hasHeaders } = this
    const [bytes, memory, spans] = [this.#bytes, this.#memory, this.#spans]
    return { bytes, memory, offsets, timestampsMs, spans, length, hasHeaders }
  }

  #view(span: number): Buffer | null {
    const begin = this.#spans[span] as number
    const length = this.#spans[span + 1] as number
    return length < 0 ? null : this.#bytes.subarray(begin, begin + length)
  }
}

/**
 * Buffers are created on each access, because a buffer costs more than everything else about a
 * record, and garbage collection would spend its time on long-lived ones.
 */
class RecordView implements LogRecord {
  readonly #records: FetchedRecords
  readonly #index: number

  constructor(records: FetchedRecords, index: number) {
    this.#records = records
    this.#index = index
  }

  get offset(): number {
    return this.#records.offsetAt(this.#index)
  }

  get timestampMs(): number {
    return this.#records.timestampMsAt(this.#index)
  }

  get key(): Buffer | null {
    return this.#records.key(this.#index)
  }

  get value(): Buffer | null {
    return this.#records.value(this.#index)
  }

  /** A missing value is read as an empty one. */
  get headers(): readonly Header[] {
    const headers = this.#records.headers(this.#index)
    if (headers.every(({ value }) => value !== null)) return headers as readonly Header[]
    return headers.map(({ name, value }) => ({ name, value: value ?? EMPTY }))
  }
}
