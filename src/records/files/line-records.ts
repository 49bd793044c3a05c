import { type ByteRoom, Memory, type Place } from '../../kernel/bytes.ts'
import { NO_TIMESTAMP } from '../../kernel/time.ts'
import type { LogRecord, LogRecords } from '../port.ts'
import { appendPart, partsBytes } from '../record-format.ts'

/** Lines of a block with their keys, by line. */
export interface KeyedLines {
  readonly memory: Memory
  /** Where the values begin and end. */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  keyOf(line: number): Buffer
}

const NO_HEADERS = new Memory(new ArrayBuffer(1))

/** Lines of one partition as records of the log. Their bytes are not copied. */
export class LineRecords implements LogRecords {
  readonly hasHeaders = false
  readonly #lines: KeyedLines
  /** By index, the line in the block. */
  readonly #at: readonly number[]
  readonly #offsets: readonly number[]

  constructor(lines: KeyedLines, at: readonly number[], offsets: readonly number[]) {
    this.#lines = lines
    this.#at = at
    this.#offsets = offsets
  }

  get length(): number {
    return this.#at.length
  }

  *[Symbol.iterator](): Iterator<LogRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }

  at(index: number): LogRecord {
    const line = this.#at[index] as number
    const { memory, starts, ends } = this.#lines
    return {
      offset: this.offsetAt(index),
      timestampMs: NO_TIMESTAMP,
      key: this.#lines.keyOf(line),
      value: memory.buffer.subarray(starts[line], ends[line]),
      headers: [],
    }
  }

  offsetAt(index: number): number {
    return this.#offsets[index] as number
  }

  timestampMsAt(): number {
    return NO_TIMESTAMP
  }

  valueBytes(index: number): number {
    const line = this.#at[index] as number
    return (this.#lines.ends[line] as number) - (this.#lines.starts[line] as number)
  }

  partsBytes(index: number): number {
    return partsBytes(this.at(index))
  }

  locate(index: number, into: Place): boolean {
    const line = this.#at[index] as number
    const { memory, starts, ends } = this.#lines
    into.memory = memory
    into.from = starts[line] as number
    into.to = ends[line] as number
    return true
  }

  locateParts(_index: number, into: Place): void {
    into.from = -1
  }

  appendKey(index: number, into: ByteRoom): void {
    appendPart(this.#lines.keyOf(this.#at[index] as number), into)
  }

  /** None: their number, 0. */
  locateHeaders(_index: number, into: Place): void {
    into.memory = NO_HEADERS
    into.from = 0
    into.to = 1
  }

  slice(from: number, to?: number): LineRecords {
    return new LineRecords(this.#lines, this.#at.slice(from, to), this.#offsets.slice(from, to))
  }

  pick(indices: readonly number[]): LineRecords {
    const [at, offsets] = [this.#at, this.#offsets]
    const pick = (of: readonly number[]) => indices.map((index) => of[index] as number)
    return new LineRecords(this.#lines, pick(at), pick(offsets))
  }
}

/** Lines of one partition, in order. */
export interface PartitionLines {
  readonly partition: number
  readonly records: LineRecords
  /** By record, its place in the input. */
  readonly places: readonly number[]
}
