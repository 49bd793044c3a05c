import { ByteRoom, Memory, type Place } from '../kernel/bytes.ts'
import type { Header, LogRecord, LogRecords } from './port.ts'
import { appendParts, NumberReader, type OutgoingHeader } from './record-format.ts'

/**
 * Indices within a row of `spans`: where a part begins, then its length, −1 for `null`; for
 * `parts`, from the key's length to the last header, then their end.
 */
export const SPAN = { key: 0, value: 2, parts: 4, row: 6 } as const

const NONE_BYTES = 1
const EMPTY = Buffer.alloc(0)

/** Where records lie; there may be more rows than records. */
export interface LogColumns {
  /** The records' parts, in the form of a batch. */
  readonly bytes: Buffer
  readonly memory: Memory
  readonly offsets: Float64Array
  readonly timestampsMs: Float64Array
  readonly spans: Int32Array
  readonly length: number
  readonly hasHeaders: boolean
}

export function skipPart(reader: NumberReader, spans: Int32Array, span: number): void {
  const length = reader.varint()
  spans[span] = reader.at
  spans[span + 1] = length
  if (length > 0) reader.at += length
}

/** Records of one partition in log order, as columns. Buffers are views into their bytes. */
export class ColumnRecords implements LogRecords {
  readonly length: number
  readonly offsets: Float64Array
  /** ms since the epoch; −1: none. Rounded beyond 2^53. */
  readonly timestampsMs: Float64Array
  readonly hasHeaders: boolean
  readonly #columns: LogColumns

  constructor(columns: LogColumns) {
    const { length } = columns
    this.length = length
    this.offsets = columns.offsets.subarray(0, length)
    this.timestampsMs = columns.timestampsMs.subarray(0, length)
    this.hasHeaders = columns.hasHeaders
    this.#columns = columns
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
    const { bytes, memory, spans } = this.#columns
    const row = index * SPAN.row
    const length = spans[row + SPAN.value + 1] as number
    into.memory = memory
    into.from = length < 0 ? -1 : bytes.byteOffset + (spans[row + SPAN.value] as number)
    into.to = into.from + length
    return (spans[row + SPAN.key + 1] as number) >= 0
  }

  headers(index: number): readonly OutgoingHeader[] {
    if (!this.hasHeaders) return []
    return new NumberReader(this.#columns.bytes, this.#headersAt(index)).headers()
  }

  locateHeaders(index: number, into: Place): void {
    const { bytes, memory, spans } = this.#columns
    into.memory = memory
    into.from = bytes.byteOffset + this.#headersAt(index)
    into.to = bytes.byteOffset + (spans[index * SPAN.row + SPAN.parts + 1] as number)
  }

  /** The headers begin where the value ends. */
  #headersAt(index: number): number {
    return (this.#columns.spans[index * SPAN.row + SPAN.value] as number) + this.valueBytes(index)
  }

  valueBytes(index: number): number {
    return Math.max(0, this.#columns.spans[index * SPAN.row + SPAN.value + 1] as number)
  }

  partsBytes(index: number): number {
    const span = index * SPAN.row + SPAN.parts
    return (this.#columns.spans[span + 1] as number) - (this.#columns.spans[span] as number)
  }

  appendKey(index: number, into: ByteRoom): void {
    const { bytes, memory, spans } = this.#columns
    const row = index * SPAN.row
    const start = spans[row + SPAN.parts] as number
    const length = spans[row + SPAN.key + 1] as number
    const end = length < 0 ? start + NONE_BYTES : (spans[row + SPAN.key] as number) + length
    into.copy(memory, bytes.byteOffset + start, bytes.byteOffset + end)
  }

  slice(from: number, to = this.length): LogRecords {
    const offsets = this.offsets.subarray(from, to)
    const timestampsMs = this.timestampsMs.subarray(from, to)
    const spans = this.#columns.spans.subarray(from * SPAN.row, to * SPAN.row)
    const { length } = offsets
    return new ColumnRecords({ ...this.#columns, offsets, timestampsMs, spans, length })
  }

  pick(indices: readonly number[]): LogRecords {
    const { length } = indices
    const offsets = new Float64Array(length)
    const timestampsMs = new Float64Array(length)
    const spans = new Int32Array(length * SPAN.row)
    // Iterators and subarrays would cost ten times as much as the copying.
    for (let row = 0; row < length; row++) {
      const index = indices[row] as number
      offsets[row] = this.offsets[index] as number
      timestampsMs[row] = this.timestampsMs[index] as number
      const from = index * SPAN.row
      const to = row * SPAN.row
      for (let i = 0; i < SPAN.row; i++) spans[to + i] = this.#columns.spans[from + i] as number
    }
    return new ColumnRecords({ ...this.#columns, offsets, timestampsMs, spans, length })
  }

  #view(span: number): Buffer | null {
    const { bytes, spans } = this.#columns
    const begin = spans[span] as number
    const length = spans[span + 1] as number
    return length < 0 ? null : bytes.subarray(begin, begin + length)
  }
}

/**
 * Buffers are created on each access, because a buffer costs more than everything else about a
 * record, and garbage collection would spend its time on long-lived ones.
 */
class RecordView implements LogRecord {
  readonly #records: ColumnRecords
  readonly #index: number

  constructor(records: ColumnRecords, index: number) {
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

export class ListedRecords extends ColumnRecords {
  constructor(list: readonly LogRecord[]) {
    const room = new ByteRoom(0)
    const spans = new Int32Array(list.length * SPAN.row)
    for (const [i, record] of list.entries()) {
      const row = i * SPAN.row
      const start = room.used
      appendParts(record, room)
      spans[row + SPAN.parts] = start
      spans[row + SPAN.parts + 1] = room.used
      const reader = new NumberReader(room.bytes, start)
      skipPart(reader, spans, row + SPAN.key)
      skipPart(reader, spans, row + SPAN.value)
    }
    super({
      bytes: room.bytes,
      memory: new Memory(room.bytes.buffer),
      offsets: Float64Array.from(list, ({ offset }) => offset),
      timestampsMs: Float64Array.from(list, ({ timestampMs }) => timestampMs),
      spans,
      length: list.length,
      hasHeaders: list.some(({ headers }) => headers.length > 0),
    })
  }
}

export const NO_RECORDS: LogRecords = new ListedRecords([])

export function firstFrom(records: LogRecords, offset: number): number {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (records.offsetAt(middle) < offset) low = middle + 1
    else high = middle
  }
  return low
}
