import { type ByteRoom, Memory, type Place } from '../../kernel/bytes.ts'
import { NO_TIMESTAMP } from '../../kernel/time.ts'
import type { LogRecord, LogRecords } from '../port.ts'
import { appendPart, VARINT_BYTES, varintBytes, writeVarint } from '../record-format.ts'

/** Lines of a block with their keys. */
export interface KeyedLines {
  readonly memory: Memory
  /** By line, where the value begins and ends. */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** By line, where the key begins and ends; it begins at −1: it is not in the memory. */
  readonly keyStarts: readonly number[]
  readonly keyEnds: readonly number[]
  /** By line, a key that is not in the memory. @default empty */
  readonly madeKeys: ReadonlyMap<number, Buffer>
}

const NO_KEY = Buffer.alloc(0)
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
      key: this.#keyOf(line),
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
    const line = this.#at[index] as number
    const { keyStarts, keyEnds } = this.#lines
    const start = keyStarts[line] as number
    const keyBytes = start < 0 ? this.#keyOf(line).length : (keyEnds[line] as number) - start
    const valueBytes = this.valueBytes(index)
    const lengths = varintBytes(keyBytes) + varintBytes(valueBytes) + varintBytes(0)
    return lengths + keyBytes + valueBytes
  }

  locate(index: number, into: Place): boolean {
    const line = this.#at[index] as number
    const { memory, starts, ends } = this.#lines
    into.memory = memory
    into.from = starts[line] as number
    into.to = ends[line] as number
    return true
  }

  appendKey(index: number, into: ByteRoom): void {
    const line = this.#at[index] as number
    const { memory, keyStarts, keyEnds } = this.#lines
    const [start, end] = [keyStarts[line] as number, keyEnds[line] as number]
    if (start < 0) return appendPart(this.#keyOf(line), into)
    into.reserve(VARINT_BYTES)
    into.used = writeVarint(into.bytes, into.used, end - start)
    into.copy(memory, start, end)
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

  #keyOf(line: number): Buffer {
    const { memory, keyStarts, keyEnds, madeKeys } = this.#lines
    const start = keyStarts[line] as number
    if (start < 0) return madeKeys.get(line) ?? NO_KEY
    return memory.buffer.subarray(start, keyEnds[line])
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
