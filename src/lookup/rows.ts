import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '../kernel/errors.ts'
import { showsInexact } from '../kernel/json.ts'
import { isEventTime } from '../kernel/time.ts'
import type { TableDefinition } from '../topology/definition.ts'
import type { Rows } from '../topology/lookup.ts'
import { nameOf } from '../topology/schema.ts'
import { timeFault } from '../topology/times.ts'
import type { RecordId } from './record-order.ts'
import type { Spread } from './spread.ts'

export interface RecordRow {
  readonly key: string
  /** The time from which it holds, ms since the epoch; 0 without `asOf`. */
  readonly timeMs: number
  readonly value: Buffer
}

/** From bytes that were valid before. */
export type MakeRow = (value: Buffer) => object | string | number | boolean | bigint

export interface LookupCounts {
  found: number
  /** There was no row of the key. */
  absent: number
  /** The first version of the key was later than the event. */
  early: number
}

/** Rows that change. Without `asOf`, times mean nothing. */
export interface RowStore extends Rows {
  /** Rows, with `asOf` versions. */
  readonly size: number
  /** Approximate bytes held. */
  readonly bytes: number
  /** Measures over all rows. */
  readonly spreads: readonly Spread[]
  /** Copies a row. A record changes nothing that a later one has given or removed. */
  put(row: RecordRow, by: RecordId): void
  /** Ends the row of a key at the timestamp of the record. */
  delete(key: string, by: RecordId): void
  /** Undoes {@link put}. */
  withdraw(key: string, timeMs: number): void
  /** The bytes of a row, valid until the next change. */
  bytesOf(key: string, timeMs: number): Buffer | null
  /** Drops versions that no event at or after `oldestMs` can see. Yields between turns. */
  forget(oldestMs: number): Generator<void, void>
  /** All of the topic was read, so records from now on are hardly older. */
  endLoad(): void
}

// The key and the time of a row, as author functions return them.

/** @throws TidemarkError `TABLE_INVALID` */
export function keyOfRow({ key: readKey }: TableDefinition, row: unknown): string {
  const key: unknown = answer('key', readKey as (row: unknown) => unknown, row)
  if (typeof key !== 'string' || key === '') throw rowFault('key returned no text')
  if (showsInexact(key, () => row)) throw rowFault('key has an integer beyond ±(2^53 − 1)')
  return key
}

/**
 * The key of the record of a row that was given without one.
 * @returns `null` with `asOf`, where it would name the version: the next row would replace this one
 * @throws TidemarkError `TABLE_INVALID`
 */
export function recordKeyOf(table: TableDefinition, row: unknown): Buffer | null {
  if (table.key === null) throw rowFault('it has no key: write key<TAB>JSON')
  const key = keyOfRow(table, row)
  return table.asOf === null ? Buffer.from(key) : null
}

/** The time from which a row holds. @throws TidemarkError `TABLE_INVALID` */
export function timeOfRow({ asOf }: TableDefinition, row: unknown): number {
  if (asOf === null) return 0
  const time: unknown = answer('asOf', asOf, row)
  if (typeof time === 'number' && isEventTime(time)) return time
  const got = typeof time === 'number' ? time : typeof time
  throw rowFault(`asOf must return ms since the epoch, from 1980 to 2100, got ${got}`)
}

/** @throws TidemarkError `TABLE_INVALID` */
export function keyOfRecord(key: Buffer | null): string {
  if (key === null || key.length === 0) throw rowFault('the record has no key')
  if (!isUtf8(key)) throw rowFault("the record's key is not UTF-8")
  return key.toString('utf8')
}

/** @param message never quotes the row */
export function rowFault(message: string): TidemarkError {
  return new TidemarkError('TABLE_INVALID', message)
}

function answer<R>(name: string, compute: (row: unknown) => R, row: unknown): R {
  try {
    return compute(row)
  } catch (thrown) {
    throw rowFault(timeFault(thrown, name)?.message ?? `${name} threw ${nameOf(thrown)}`)
  }
}
