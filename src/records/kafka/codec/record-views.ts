import type { ByteRoom, PartsPlace, ValuePlace } from '../../../kernel/bytes.ts'
import type { LogRecord, LogRecords } from '../../port.ts'
import type { FetchedRecords } from './fetched-records.ts'
import { RecordView } from './record-view.ts'

/** The fetched records from ≤ i < to, in the form of the port. */
export class RecordViews implements LogRecords {
  readonly length: number
  readonly #fetched: FetchedRecords
  readonly #from: number

  constructor(fetched: FetchedRecords, from = 0, to = fetched.length) {
    this.length = Math.max(0, to - from)
    this.#fetched = fetched
    this.#from = from
  }

  *[Symbol.iterator](): Generator<LogRecord, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }

  at(index: number): LogRecord {
    return new RecordView(this.#fetched, this.#from + index)
  }

  offsetAt(index: number): number {
    return this.#fetched.offsets[this.#from + index] as number
  }

  timestampMsAt(index: number): number {
    return this.#fetched.timestampsMs[this.#from + index] as number
  }

  valueBytes(index: number): number {
    return this.#fetched.valueBytes(this.#from + index)
  }

  partsBytes(index: number): number {
    return this.#fetched.partsBytes(this.#from + index)
  }

  locate(index: number, into: ValuePlace): void {
    this.#fetched.locate(this.#from + index, into)
  }

  locateParts(index: number, into: PartsPlace): void {
    this.#fetched.locateParts(this.#from + index, into)
  }

  appendKey(index: number, into: ByteRoom): void {
    this.#fetched.appendKey(this.#from + index, into)
  }

  get hasHeaders(): boolean {
    return this.#fetched.hasHeaders
  }

  locateHeaders(index: number, into: PartsPlace): void {
    this.#fetched.locateHeaders(this.#from + index, into)
  }

  slice(from: number, to = this.length): LogRecords {
    const end = Math.min(to, this.length)
    return new RecordViews(this.#fetched, this.#from + from, this.#from + end)
  }
}
