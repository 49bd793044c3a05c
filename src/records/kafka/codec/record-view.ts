import type { Header, LogRecord } from '../../port.ts'
import type { FetchedRecords } from './fetched-records.ts'

const EMPTY = Buffer.alloc(0)

/**
 * A fetched record in the form of the port. Its buffers are created on each access: a buffer costs
 * more than everything else about a record, and buffers that live as long as the record are what
 * garbage collection spends its time on.
 */
export class RecordView implements LogRecord {
  readonly records: FetchedRecords
  readonly index: number

  constructor(records: FetchedRecords, index: number) {
    this.records = records
    this.index = index
  }

  get offset(): number {
    return this.records.offsets[this.index] as number
  }

  get timestampMs(): number {
    return this.records.timestampsMs[this.index] as number
  }

  get key(): Buffer | null {
    return this.records.key(this.index)
  }

  get value(): Buffer | null {
    return this.records.value(this.index)
  }

  /** A missing value is read as an empty one. */
  get headers(): readonly Header[] {
    const headers = this.records.headers(this.index)
    if (headers.every(({ value }) => value !== null)) return headers as readonly Header[]
    return headers.map(({ name, value }) => ({ name, value: value ?? EMPTY }))
  }
}
