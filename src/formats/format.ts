import type { ColumnForm } from '../columns/columns.ts'
import type { Reader } from '../columns/events.ts'
import type { ScannedEvents } from '../columns/scanned-events.ts'
import type { Place } from '../kernel/bytes.ts'
import type { Clock } from '../kernel/clock.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import type { RecordHeader, SourcePartition } from '../topology/source.ts'

export type FormatSource = Pick<SourceDefinition, 'topic' | 'schema' | 'format' | 'onTombstone'>

/** A Kafka record. The properties may be getters. */
export interface RawRecord {
  readonly offset: number
  /** Ms since the epoch; −1: none. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface RawRecords {
  readonly length: number
  at(index: number): RawRecord
  /** Finds the value without creating a buffer. @returns whether the record has a key */
  locate(index: number, into: Place): boolean
}

export interface Preparing {
  readonly clock: Pick<Clock, 'elapsedMs'>
  /** Whether records without a schema are given up: not in a replay, which has verdicts. */
  readonly mayGiveUp: boolean
}

export interface RawChunk {
  readonly from: SourcePartition
  readonly records: RawRecords
}

export interface Decoded {
  readonly events: ScannedEvents
  /** The index of the record of each event; skipped records have none. */
  readonly records: readonly number[]
  readonly faults: readonly DecodeFault[]
}

/** The error that makes a record a dead letter. */
export interface DecodeFault {
  readonly record: number
  readonly error: TidemarkError
}

/** Makes events from the records of one source. */
export interface Format {
  readonly reader: Reader
  readonly forms: readonly ColumnForm[]
  /** Why an object is made of every event; `null`: most events need none. */
  readonly whyMade: string | null
  /**
   * Fetches the schemas of these records; `null`: nothing to wait for. Only their partition waits.
   * Rejects with errors that pass, or end the worker: {@link decode} reports faults of a record.
   */
  prepare(records: RawRecords, how: Preparing): Promise<void> | null
  /** Decodes prepared records into columns. Yields where other work may have its turn. */
  decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded>
  /** @throws TidemarkError `KEY_INVALID`: the key has a number of the record that JSON has rounded */
  checkKey(key: string, record: RawRecord, from: SourcePartition): void
}

/** Writes the values of one sink with a schema. */
export interface OutputFormat {
  /** Encodes a value, after {@link register}. @throws TidemarkError `OUTPUT_INVALID` */
  encode(value: unknown): Buffer
  /**
   * Finds the id of the schema, before anything is consumed.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, which passes, or one that refuses the start
   */
  register(): Promise<void>
}
