import { toUSVString } from 'node:util'
import { TidemarkError } from '../kernel/errors.ts'
import { EARLIEST_EVENT_TIME_MS, LATEST_EVENT_TIME_MS, NO_TIMESTAMP } from '../kernel/time.ts'
import { nameOf } from '../topology/schema.ts'

// The key and the time of an event, as author functions return them.

/**
 * The key of an event: well-formed Unicode, so that its UTF-8 identifies it.
 * @throws TidemarkError `FUNCTION_THREW` · `KEY_INVALID`
 */
export function eventKey<E>(of: (event: E) => string, event: E): string {
  const key: unknown = answer('key', of, event)
  if (typeof key !== 'string') throw invalidKey(`key must return text, got ${valueKind(key)}`)
  if (key === '') throw invalidKey('key returned empty text')
  if (toUSVString(key) !== key) throw invalidKey('key returned text with half a surrogate pair')
  return key
}

/** @throws TidemarkError `FUNCTION_THREW` · `TIME_INVALID` · `TIME_UNIT`: it is in another unit */
export function eventTimeMs<E>(of: (event: E) => number, event: E): number {
  const time: unknown = answer('eventTimeMs', of, event)
  if (typeof time !== 'number') {
    const what = `eventTimeMs must return a number, got ${valueKind(time)}`
    throw new TidemarkError('TIME_INVALID', what)
  }
  if (!Number.isInteger(time)) {
    throw new TidemarkError('TIME_INVALID', `eventTimeMs returned ${time}, which is not an integer`)
  }
  if (!isInRange(time)) {
    throw new TidemarkError('TIME_UNIT', `event time ${time} ${likelyUnit(time)}`, {
      hint: 'eventTimeMs must return milliseconds since the epoch',
    })
  }
  return time
}

/** @throws TidemarkError `TIME_INVALID`: it has none · `TIME_UNIT`: it is in another unit */
export function recordTimeMs(timestampMs: number): number {
  if (timestampMs === NO_TIMESTAMP) {
    throw new TidemarkError('TIME_INVALID', 'the record has no timestamp')
  }
  if (!isInRange(timestampMs)) {
    const what = `the record's timestamp ${timestampMs} ${likelyUnit(timestampMs)}`
    const hint = 'producers must set milliseconds since the epoch'
    throw new TidemarkError('TIME_UNIT', what, { hint })
  }
  return timestampMs
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

/** The kind of a value, for messages: these never quote a value. */
export function valueKind(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
