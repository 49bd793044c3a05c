import { ByteRoom, type Memory, type Place } from '../../kernel/bytes.ts'
import { NO_TIMESTAMP } from '../../kernel/time.ts'
import { ColumnRecords } from '../log-records.ts'
import type { Header } from '../port.ts'
import { appendHeaders, VARINT_BYTES, writeVarint } from '../record-format.ts'
import { SLACK } from './lines.ts'

/** Headers and timestamp, which all records of some lines have. */
export interface LineRecords {
  readonly headers: readonly Header[]
  readonly timestampMs: number
}

/** Records of lines in files, which have neither. */
export const BARE: LineRecords = { headers: [], timestampMs: NO_TIMESTAMP }

/** Lines of one partition with their keys, in order. A thread can give them to another. */
export interface PartitionLines {
  readonly partition: number
  /** Key and value of each, as records are in a batch. */
  readonly bytes: ArrayBuffer
  /** Where key, value and record lie: a row each, as in LogColumns. */
  readonly spans: Int32Array
  readonly offsets: Float64Array
  /** Where each was in the input. */
  readonly places: Float64Array
  readonly timestampMs: number
  readonly hasHeaders: boolean
}

/** Lines as records of the log. */
export function recordsOf(
  memory: Memory,
  {
    spans,
    offsets,
    timestampMs,
    hasHeaders,
  }: Omit<PartitionLines, 'partition' | 'bytes' | 'places'>,
): ColumnRecords {
  const { length } = offsets
  const timestampsMs = new Float64Array(length).fill(timestampMs)
  const columns = { memory, bytes: memory.buffer, spans, offsets, timestampsMs, length }
  return new ColumnRecords({ ...columns, hasHeaders })
}

/** Gathers lines of one partition. */
export class PartitionLinesWriter {
  readonly #partition: number
  readonly #headers: readonly Header[]
  readonly #room = new ByteRoom()
  #spans: number[] = []
  #offsets: number[] = []
  #places: number[] = []

  constructor(partition: number, headers = BARE.headers) {
    this.#partition = partition
    this.#headers = headers
  }

  /** @param line where its key and its value lie */
  add(line: Readonly<Record<'key' | 'value', Place>>, offset: number, place: number): void {
    const { key, value } = line
    const room = this.#room
    const start = room.used
    const keyStart = this.#append(key)
    const valueStart = this.#append(value)
    appendHeaders(this.#headers, room)
    this.#spans.push(keyStart, key.to - key.from, valueStart, value.to - value.from)
    this.#spans.push(start, room.used)
    this.#offsets.push(offset)
    this.#places.push(place)
  }

  /** Takes the lines that have gathered. */
  take(timestampMs: number): PartitionLines {
    const [room, partition] = [this.#room, this.#partition]
    room.reserve(SLACK)
    const bytes = new Uint8Array(room.bytes.subarray(0, room.used + SLACK)).buffer
    const spans = new Int32Array(this.#spans)
    const offsets = new Float64Array(this.#offsets)
    const places = new Float64Array(this.#places)
    room.clear()
    this.#spans = []
    this.#offsets = []
    this.#places = []
    const hasHeaders = this.#headers.length > 0
    return { partition, bytes, spans, offsets, places, timestampMs, hasHeaders }
  }

  /** @returns where it begins, behind its length */
  #append({ memory, from, to }: Place): number {
    const room = this.#room
    room.reserve(VARINT_BYTES)
    const start = writeVarint(room.bytes, room.used, to - from)
    room.used = start
    room.copy(memory, from, to)
    return start
  }
}
