import type { TidemarkError } from '../kernel/errors.ts'
import type { ValuePlace } from '../kernel/memory.ts'
import type { Slices } from '../kernel/slices.ts'
import type { ColumnForm } from '../plan/columns.ts'
import type { Reader } from '../plan/events.ts'
import type { ScannedEvents } from '../plan/scanned-events.ts'

/** What an event is made of. */
export interface RawRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** The records of a chunk, as far as a format looks at them. */
export interface RawRecords {
  readonly length: number
  at(index: number): RawRecord
  /** Says where the value of one lies, without making a buffer of it. */
  locate(index: number, into: ValuePlace): void
}

/** What the records of a chunk come to, in their order. */
export interface Decoded {
  readonly events: ScannedEvents
  /** Of each event the index of its record. */
  readonly records: readonly number[]
  /** Of the records that are no events. */
  readonly faults: readonly DecodeFault[]
}

/** Why a record is no event: an error that makes it a dead letter. */
export interface DecodeFault {
  readonly record: number
  readonly error: TidemarkError
}

/** How events are made of the records of one source. */
export interface Format {
  /** How functions of its events are asked. */
  readonly reader: Reader
  /** What of its events lies in columns. */
  readonly forms: readonly ColumnForm[]
  /** Why every event has to be made; `null`: most need not be. */
  readonly whyMade: string | null
  /**
   * Gets what it takes to decode these records, such as a schema that is named in them; `null`:
   * nothing has to be waited for. Meanwhile only their partition waits. Rejects only with what is
   * to end or restart the worker: what is wrong with a record is told by {@link decode}.
   */
  prepare(records: RawRecords): Promise<void> | null
  /**
   * Makes columns of records that are prepared; waits for nothing. Yields where others may have
   * their turn.
   */
  decode(records: RawRecords, slices: Slices): Generator<void, Decoded>
}
