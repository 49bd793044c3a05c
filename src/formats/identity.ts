import { toUSVString } from 'node:util'
import { TidemarkError } from '../kernel/errors.ts'
import { EARLIEST_EVENT_TIME_MS, LATEST_EVENT_TIME_MS } from '../kernel/time.ts'
import { nameOf } from '../topology/schema.ts'

// What an author's functions say an event is about and when it was.

/**
 * The key of an event, by the source's function or a sink's: text that is not empty and is
 * well-formed Unicode, so that its UTF-8 names it and no other.
 *
 * @throws TidemarkError `FUNCTION_THREW`, `KEY_INVALID`
 */
export function eventKey<E>(of: (event: E) => string, event: E): string {
  const key: unknown = answer('key', of, event)
  if (typeof key !== 'string') throw invalidKey(`key gave ${kindOf(key)} where text is wanted`)
  if (key === '') throw invalidKey('key gave empty text')
  if (toUSVString(key) !== key) throw invalidKey('key gave text with half a surrogate pair')
  return key
}

/**
 * The event time: integer milliseconds between 1980 and 2100.
 *
 * @throws TidemarkError `FUNCTION_THREW` · `TIME_INVALID` · `TIME_UNIT` when it is in another unit
 */
export function eventTimeMs<E>(of: (event: E) => number, event: E): number {
  const time: unknown = answer('eventTimeMs', of, event)
  if (typeof time !== 'number') {
    throw new TidemarkError(
      'TIME_INVALID',
      `eventTimeMs gave ${kindOf(time)} where a number is wanted`,
    )
  }
  if (!Number.isInteger(time)) {
    throw new TidemarkError('TIME_INVALID', `eventTimeMs gave ${time}, which is not an integer`)
  }
  if (!isInRange(time)) {
    throw new TidemarkError('TIME_UNIT', `event time ${time} ${likelyUnit(time)}`, {
      hint: 'eventTimeMs must give milliseconds since the epoch',
    })
  }
  return time
}

function answer<E, R>(name: string, of: (event: E) => R, event: E): R {
  try {
    return of(event)
  } catch (thrown) {
    throw new TidemarkError('FUNCTION_THREW', `${name} threw ${nameOf(thrown)}`, { cause: thrown })
  }
}

function invalidKey(message: string): TidemarkError {
  return new TidemarkError('KEY_INVALID', message)
}

/** Is it what {@link eventTimeMs} lets through? */
export function isEventTime(ms: number): boolean {
  return Number.isInteger(ms) && isInRange(ms)
}

function isInRange(ms: number): boolean {
  return ms >= EARLIEST_EVENT_TIME_MS && ms < LATEST_EVENT_TIME_MS
}

function likelyUnit(time: number): string {
  if (isInRange(time * 1_000)) return 'looks like seconds'
  if (isInRange(time / 1_000)) return 'looks like microseconds'
  if (isInRange(time / 1_000_000)) return 'looks like nanoseconds'
  return 'is not between 1980 and 2100 in any unit'
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
