import type { Rows } from '../topology/lookup.ts'
import type { RecordId } from './record-order.ts'

/** A row as a record of a table's topic gives it. */
export interface RecordRow {
  readonly key: string
  /** From when it holds, ms since the epoch; 0 without `asOf`. */
  readonly timeMs: number
  readonly value: Buffer
}

/** Makes a row from its bytes, which were found valid before. */
export type MakeRow = (value: Buffer) => object | string | number | boolean | bigint

/** What look-ups have found, as counts. */
export interface LookupCounts {
  found: number
  /** There is no row of the key. */
  absent: number
  /** The first version of the key is later than the event. */
  early: number
}

/** The rows of a table. */
export interface HeldRows extends Rows {
  /** Number of rows, with `asOf` of versions. */
  readonly size: number
  /** Approximate bytes held. */
  readonly bytes: number
  /**
   * The oldest time, ms since the epoch, of which there is still every version; −Infinity: of all.
   */
  readonly oldestMs: number
}

/** Rows and how they change. Of a table without `asOf`, times mean nothing. */
export interface TableRows extends HeldRows {
  /** Copies the bytes of a row, unless a later record has given or removed the same one. */
  put(row: RecordRow, by: RecordId): void
  /** From the record's timestamp on, the key has no row, unless a later record has said otherwise. */
  delete(key: string, by: RecordId): void
  /** Removes what {@link put} has put. */
  withdraw(key: string, timeMs: number): void
  /** The bytes of what {@link put} has put, valid until the next change; `null`: it is not there. */
  bytesOf(key: string, timeMs: number): Buffer | null
  /**
   * Drops the versions that no event at or after `oldestMs` can see, also of rows that are put
   * later. Yields where other work may have its turn.
   */
  forget(oldestMs: number): Generator<void, void>
  /** All of the topic was read: what is read from now on is not much older than what was. */
  settle(): void
}
