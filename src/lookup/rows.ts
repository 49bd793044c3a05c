import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '../kernel/errors.ts'
import { EARLIEST_EVENT_TIME_MS, LATEST_EVENT_TIME_MS } from '../kernel/time.ts'
import type { TableDefinition } from '../topology/definition.ts'
import type { Rows } from '../topology/lookup.ts'
import { nameOf } from '../topology/schema.ts'
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
export interface RowStore extends HeldRows {
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

// The key and the time of a row, as the author's functions return them.

/** @throws TidemarkError `TABLE_INVALID`: `key` threw, or returned no text */
export function keyOfRow({ key: of }: TableDefinition, row: unknown): string {
  const key: unknown = answer('key', of as (row: unknown) => unknown, row)
  if (typeof key !== 'string' || key === '') throw rowFault('key returned no text')
  return key
}

/**
 * From when a row holds, ms since the epoch; 0 without `asOf`.
 * @throws TidemarkError `TABLE_INVALID`: `asOf` threw, or returned no time in ms
 */
export function timeOfRow({ asOf }: TableDefinition, row: unknown): number {
  if (asOf === null) return 0
  const time: unknown = answer('asOf', asOf, row)
  const isTime = typeof time === 'number' && Number.isInteger(time)
  if (!isTime || time < EARLIEST_EVENT_TIME_MS || time >= LATEST_EVENT_TIME_MS) {
    const got = typeof time === 'number' ? time : typeof time
    throw rowFault(`asOf must return ms since the epoch, from 1980 to 2100, got ${got}`)
  }
  return time
}

/**
 * The key of a record as text.
 * @throws TidemarkError `TABLE_INVALID`: it has none, or it is no text
 */
export function keyOfRecord(key: Buffer | null): string {
  if (key === null || key.length === 0) throw rowFault('the record has no key')
  if (!isUtf8(key)) throw rowFault("the record's key is not UTF-8")
  return key.toString('utf8')
}

/** Why a line or a record is invalid. Never quotes it. */
export function rowFault(message: string): TidemarkError {
  return new TidemarkError('TABLE_INVALID', message)
}

function answer<R>(name: string, of: (row: unknown) => R, row: unknown): R {
  try {
    return of(row)
  } catch (thrown) {
    throw rowFault(`${name} threw ${nameOf(thrown)}`)
  }
}
