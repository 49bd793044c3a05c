import { type ByteRoom, Memory, type PartsPlace, type ValuePlace } from '../../../kernel/bytes.ts'
import { type RecordColumns, SPAN } from './record-columns.ts'
import { NumberReader } from './varint.ts'

/** A header of a record. Names may repeat. Unlike in the port, a value may be `null`. */
export interface RecordHeader {
  readonly name: string
  readonly value: Buffer | null
}

/** A record. Its buffers are views into the fetched bytes: copy what must outlive them. */
export interface FetchedRecord {
  readonly offset: number
  /** ms since the epoch; −1: none. Rounded beyond 2^53. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** Bytes of the length of a missing key. */
const NONE_BYTES = 1
const NO_HEADERS: readonly RecordHeader[] = []

/**
 * Records of one partition in log order, stored as columns. A record object is created on each
 * access.
 */
export class FetchedRecords {
  readonly offsets: Float64Array
  /** ms since the epoch; −1: none. Rounded beyond 2^53. */
  readonly timestampsMs: Float64Array
  /**
   * The offset to read next: after the last record and the markers, aborted records and gaps that
   * follow it.
   */
  readonly nextOffset: number
  /** Whether one of them has a header. */
  readonly hasHeaders: boolean
  readonly #bytes: Buffer
  readonly #spans: Int32Array
  readonly #memory: Memory

  constructor(columns: RecordColumns, nextOffset: number) {
    this.offsets = columns.offsets.subarray(0, columns.length)
    this.timestampsMs = columns.timestampsMs.subarray(0, columns.length)
    this.nextOffset = nextOffset
    this.hasHeaders = columns.hasHeaders
    this.#bytes = columns.bytes
    this.#spans = columns.spans
    this.#memory = new Memory(columns.bytes.buffer)
  }

  get length(): number {
    return this.offsets.length
  }

  at(index: number): FetchedRecord {
    return {
      offset: this.offsets[index] as number,
      timestampMs: this.timestampsMs[index] as number,
      key: this.key(index),
      value: this.value(index),
      headers: this.headers(index),
    }
  }

  key(index: number): Buffer | null {
    return this.#view(index * SPAN.row + SPAN.key)
  }

  value(index: number): Buffer | null {
    return this.#view(index * SPAN.row + SPAN.value)
  }

  /** Reports where the value of a record lies. */
  locate(index: number, into: ValuePlace): void {
    const spans = this.#spans
    const { byteOffset } = this.#bytes
    const value = index * SPAN.row + SPAN.value
    into.memory = this.#memory
    into.hasKey = (spans[index * SPAN.row + SPAN.key + 1] as number) >= 0
    into.valueStart = startOf(spans, value, byteOffset)
    into.valueEnd = into.valueStart + (spans[value + 1] as number)
  }

  headers(index: number): readonly RecordHeader[] {
    const reader = new NumberReader(this.#bytes, this.#headersAt(index))
    const count = reader.varint()
    return count === 0 ? NO_HEADERS : Array.from({ length: count }, () => readRecordHeader(reader))
  }

  /** Reports where the number of a record's headers lies, and the headers after it. */
  locateHeaders(index: number, into: PartsPlace): void {
    const { byteOffset } = this.#bytes
    into.memory = this.#memory
    into.start = byteOffset + this.#headersAt(index)
    into.end = byteOffset + (this.#spans[index * SPAN.row + SPAN.parts + 1] as number)
  }

  /** They begin where the value ends. */
  #headersAt(index: number): number {
    return (this.#spans[index * SPAN.row + SPAN.value] as number) + this.valueBytes(index)
  }

  /** Bytes of a record's value; 0 if it has none. */
  valueBytes(index: number): number {
    return Math.max(0, this.#spans[index * SPAN.row + SPAN.value + 1] as number)
  }

  /** Bytes that key, value and headers take in the log, lengths included. */
  partsBytes(index: number): number {
    const span = index * SPAN.row + SPAN.parts
    return (this.#spans[span + 1] as number) - (this.#spans[span] as number)
  }

  /** Appends the length of the key and the key, as they are in the log. */
  appendKey(index: number, into: ByteRoom): void {
    const row = index * SPAN.row
    const start = this.#spans[row + SPAN.parts] as number
    const key = this.#spans[row + SPAN.key] as number
    const length = this.#spans[row + SPAN.key + 1] as number
    const end = length < 0 ? start + NONE_BYTES : key + length
    const { byteOffset } = this.#bytes
    into.copy(this.#memory, byteOffset + start, byteOffset + end)
  }

  /** Reports where key, value and headers of a record lie. */
  locateParts(index: number, into: PartsPlace): void {
    const span = index * SPAN.row + SPAN.parts
    const { byteOffset } = this.#bytes
    into.memory = this.#memory
    into.start = byteOffset + (this.#spans[span] as number)
    into.end = byteOffset + (this.#spans[span + 1] as number)
  }

  #view(span: number): Buffer | null {
    const begin = this.#spans[span] as number
    const length = this.#spans[span + 1] as number
    return length < 0 ? null : this.#bytes.subarray(begin, begin + length)
  }
}

/** Position in the whole memory; −1: there is no value. */
function startOf(spans: Int32Array, span: number, byteOffset: number): number {
  return (spans[span + 1] as number) < 0 ? -1 : byteOffset + (spans[span] as number)
}

function readRecordHeader(reader: NumberReader): RecordHeader {
  const nameLength = reader.varint()
  const name = reader.bytes.toString('utf8', reader.at, reader.at + nameLength)
  reader.at += nameLength
  const valueLength = reader.varint()
  if (valueLength < 0) return { name, value: null }
  const value = reader.bytes.subarray(reader.at, reader.at + valueLength)
  reader.at += valueLength
  return { name, value }
}
