import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '../kernel/errors.ts'
import { EARLIEST_EVENT_TIME_MS, LATEST_EVENT_TIME_MS } from '../kernel/time.ts'
import type { TableDefinition } from '../topology/definition.ts'
import { nameOf } from '../topology/schema.ts'

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
