import { ByteRoom, Memory, type Place } from '../kernel/bytes.ts'
import type { LogRecord, LogRecords } from './port.ts'
import { appendHeaders, appendPart, partsBytes } from './record-format.ts'

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

  locate(index: number, into: Place): boolean {
    const { key, value } = this.at(index)
    into.from = value?.byteOffset ?? -1
    into.to = into.from + (value?.length ?? 0)
    if (value !== null && into.memory.bytes.buffer !== value.buffer) {
      into.memory = new Memory(value.buffer)
    }
    return key !== null
  }

  locateParts(_index: number, into: Place): void {
    into.from = -1
  }

  appendKey(index: number, into: ByteRoom): void {
    appendPart(this.at(index).key, into)
  }

  get hasHeaders(): boolean {
    return this.#list.some(({ headers }) => headers.length > 0)
  }

  /** Encodes them. */
  locateHeaders(index: number, into: Place): void {
    const room = new ByteRoom(0)
    appendHeaders(this.at(index).headers, room)
    into.memory = new Memory(room.bytes.buffer)
    into.from = room.bytes.byteOffset
    into.to = into.from + room.used
  }

  slice(from: number, to?: number): LogRecords {
    return new ListedRecords(this.#list.slice(from, to))
  }

  pick(indices: readonly number[]): LogRecords {
    return new ListedRecords(indices.map((index) => this.at(index)))
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
