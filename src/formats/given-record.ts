import type { RecordHeader, SourcePartition, SourceRecord } from '../topology/source.ts'
import type { RawRecord } from './format.ts'

/** The offset and the partition of a record that has not been written yet. */
export const UNWRITTEN = -1

/** A record as functions of the author's get it. Its parts are made when they are asked for. */
export class GivenRecord implements SourceRecord {
  readonly topic: string
  readonly partition: number
  readonly #record: RawRecord
  #headers: readonly RecordHeader[] | null = null

  /** @param record it has a key */
  constructor(record: RawRecord, { topic, partition }: SourcePartition) {
    this.topic = topic
    this.partition = partition
    this.#record = record
  }

  get offset(): number {
    return this.#record.offset
  }

  get timestampMs(): number {
    return this.#record.timestampMs
  }

  get key(): Buffer {
    return this.#record.key as Buffer
  }

  get value(): Buffer | null {
    return this.#record.value
  }

  get headers(): readonly RecordHeader[] {
    this.#headers ??= this.#record.headers
    return this.#headers
  }

  header(name: string): string | undefined {
    return this.headers.findLast((header) => header.name === name)?.value.toString('utf8')
  }
}
