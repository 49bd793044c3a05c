import type { Rows } from '../topology/lookup.ts'

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

/** The rows of a table, and how they change. Of a table without `asOf`, times mean nothing. */
export interface TableRows extends Rows {
  /** Number of rows, with `asOf` of versions. */
  readonly size: number
  /** Approximate bytes held. */
  readonly bytes: number
  /**
   * The oldest time, ms since the epoch, of which there is still every version; −Infinity: of all.
   */
  readonly oldestMs: number
  /** Copies the bytes of a row, which holds from `timeMs` on. */
  put(key: string, value: Buffer, timeMs: number): void
  /** From `timeMs` on, the key has no row. */
  delete(key: string, timeMs: number): void
  /** Removes what {@link put} has put. */
  withdraw(key: string, timeMs: number): void
  /**
   * Drops the versions that no event at or after `oldestMs` can see, also of rows that are put
   * later. Yields where other work may have its turn.
   */
  forget(oldestMs: number): Generator<void, void>
}
