import { ByteRoom, Memory, type PartsPlace, type ValuePlace } from '../kernel/bytes.ts'
import type { LogRecord, LogRecords } from './port.ts'
import { appendHeaders, appendPart, partsBytes } from './record-format.ts'

/** Log records backed by an array of objects. */
export class ListedRecords implements LogRecords {
  readonly #list: readonly LogRecord[]

  constructor(list: readonly LogRecord[]) {
    this.#list = list
  }

  get length(): number {
    return this.#list.length
  }

  [Symbol.iterator](): Iterator<LogRecord> {
    return this.#list[Symbol.iterator]()
  }

  at(index: number): LogRecord {
    return this.#list[index] as LogRecord
  }

  offsetAt(index: number): number {
    return this.at(index).offset
  }

  timestampMsAt(index: number): number {
    return this.at(index).timestampMs
  }

  valueBytes(index: number): number {
    return this.at(index).value?.length ?? 0
  }

  partsBytes(index: number): number {
    return partsBytes(this.at(index))
  }

  locate(index: number, into: ValuePlace): void {
    const { key, value } = this.at(index)
    into.hasKey = key !== null
    into.valueStart = value?.byteOffset ?? -1
    into.valueEnd = into.valueStart + (value?.length ?? 0)
    if (value !== null && into.memory.bytes.buffer !== value.buffer) {
      into.memory = new Memory(value.buffer)
    }
  }

  locateParts(_index: number, into: PartsPlace): void {
    into.start = -1
  }

  appendKey(index: number, into: ByteRoom): void {
    appendPart(this.at(index).key, into)
  }

  get hasHeaders(): boolean {
    return this.#list.some(({ headers }) => headers.length > 0)
  }

  /** Encodes them. */
  locateHeaders(index: number, into: PartsPlace): void {
    const room = new ByteRoom(0)
    appendHeaders(this.at(index).headers, room)
    into.memory = new Memory(room.bytes.buffer)
    into.start = room.bytes.byteOffset
    into.end = into.start + room.used
  }

  slice(from: number, to?: number): LogRecords {
    return new ListedRecords(this.#list.slice(from, to))
  }
}

export class PickedRecords implements LogRecords {
  readonly #records: LogRecords
  readonly #indices: readonly number[]

  constructor(records: LogRecords, indices: readonly number[]) {
    this.#records = records
    this.#indices = indices
  }

  get length(): number {
    return this.#indices.length
  }

  *[Symbol.iterator](): Generator<LogRecord, void> {
    for (const index of this.#indices) yield this.#records.at(index)
  }

  at(index: number): LogRecord {
    return this.#records.at(this.#indices[index] as number)
  }

  offsetAt(index: number): number {
    return this.#records.offsetAt(this.#indices[index] as number)
  }

  timestampMsAt(index: number): number {
    return this.#records.timestampMsAt(this.#indices[index] as number)
  }

  valueBytes(index: number): number {
    return this.#records.valueBytes(this.#indices[index] as number)
  }

  partsBytes(index: number): number {
    return this.#records.partsBytes(this.#indices[index] as number)
  }

  locate(index: number, into: ValuePlace): void {
    this.#records.locate(this.#indices[index] as number, into)
  }

  locateParts(index: number, into: PartsPlace): void {
    this.#records.locateParts(this.#indices[index] as number, into)
  }

  appendKey(index: number, into: ByteRoom): void {
    this.#records.appendKey(this.#indices[index] as number, into)
  }

  get hasHeaders(): boolean {
    return this.#records.hasHeaders
  }

  locateHeaders(index: number, into: PartsPlace): void {
    this.#records.locateHeaders(this.#indices[index] as number, into)
  }

  slice(from: number, to?: number): LogRecords {
    return new PickedRecords(this.#records, this.#indices.slice(from, to))
  }
}

export const NO_RECORDS: LogRecords = new ListedRecords([])

/** Index of the first record at or after an offset, or the length if there is none. */
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
