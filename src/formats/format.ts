import type { ColumnForm } from '../columns/columns.ts'
import type { Reader } from '../columns/events.ts'
import type { ScannedEvents } from '../columns/scanned-events.ts'
import type { ValuePlace } from '../kernel/bytes.ts'
import type { Clock } from '../kernel/clock.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import type { RecordHeader, SourcePartition } from '../topology/source.ts'

/** The values of a topic, and their schema. */
export type FormatSource = Pick<SourceDefinition, 'topic' | 'schema' | 'format' | 'onTombstone'>

/** A Kafka record, as a format sees it. The properties may be getters. */
export interface RawRecord {
  readonly offset: number
  /** The record's own timestamp, ms since the epoch; −1: it has none. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** Records in log order, as a format sees them. */
export interface RawRecords {
  readonly length: number
  at(index: number): RawRecord
  /** Tells where the value of a record is, without creating a buffer for it. */
  locate(index: number, into: ValuePlace): void
}

/** How records are prepared. */
export interface Preparing {
  readonly clock: Pick<Clock, 'elapsedMs'>
  /**
   * May records be given up that need what does not exist? In a replay they may not: what a record
   * was decided to be is known, or it was decoded.
   */
  readonly mayGiveUp: boolean
}

/** Records of one partition. */
export interface RawChunk {
  readonly from: SourcePartition
  readonly records: RawRecords
}

/** The result of decoding the records of a chunk, in their order. */
export interface Decoded {
  readonly events: ScannedEvents
  /** For each event, the index of its record. Of skipped records there is nothing. */
  readonly records: readonly number[]
  /** For the records that are not events. */
  readonly faults: readonly DecodeFault[]
}

/** Why a record is not an event: an error that makes it a dead letter. */
export interface DecodeFault {
  readonly record: number
  readonly error: TidemarkError
}

/** How events are made from the records of one source. */
export interface Format {
  /** How functions are evaluated on its events. */
  readonly reader: Reader
  /** The columns of its events. */
  readonly forms: readonly ColumnForm[]
  /** Why an object must be created for every event; `null`: most events need none. */
  readonly whyMade: string | null
  /**
   * Fetches what is needed to decode these records, such as a schema that they refer to; `null`:
   * there is nothing to wait for. Only their partition waits meanwhile. Rejects only with errors
   * that pass, or that end the worker: faults of a record are reported by {@link decode}.
   */
  prepare(records: RawRecords, how: Preparing): Promise<void> | null
  /**
   * Decodes prepared records into columns, without waiting. Yields where other work may have its
   * turn.
   */
  decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded>
}
