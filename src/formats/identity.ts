import { type Code, TidemarkError } from '../kernel/errors.ts'
import { isEventTime, NO_TIMESTAMP } from '../kernel/time.ts'
import { isPromise, nameOf } from '../topology/schema.ts'
import { timeFault } from '../topology/times.ts'

// Checks of the results of author functions: the key and the time of an event, and no promises.

/**
 * The key of an event: well-formed Unicode, so that its UTF-8 identifies it.
 * @throws TidemarkError `FUNCTION_THREW` · `KEY_INVALID`
 */
export function eventKey<E>(read: (event: E) => string, event: E): string {
  const key: unknown = answerOf('key', read, event)
  if (typeof key !== 'string') throw invalidKey(`key must return text, got ${valueKind(key)}`)
  if (key === '') throw invalidKey('key returned empty text')
  if (!key.isWellFormed()) throw invalidKey('key returned text with half a surrogate pair')
  return key
}

/** @throws TidemarkError `FUNCTION_THREW` · `TIME_INVALID` · `TIME_UNIT`: it is in another unit */
export function eventTimeMs<E>(read: (event: E) => number, event: E): number {
  const time: unknown = answerOf('eventTimeMs', read, event)
  if (typeof time !== 'number')
    throw invalidTime(`eventTimeMs must return a number, got ${valueKind(time)}`)
  if (!Number.isInteger(time)) throw invalidTime('eventTimeMs returned no integer')
  if (isEventTime(time)) return time
  const hint = 'eventTimeMs must return milliseconds since the epoch'
  throw new TidemarkError('TIME_UNIT', `the event time ${likelyUnit(time)}`, { hint })
}

/** @throws TidemarkError `TIME_INVALID`: it has none · `TIME_UNIT`: it is in another unit */
export function recordTimeMs(timestampMs: number): number {
  if (timestampMs === NO_TIMESTAMP) throw invalidTime('the record has no timestamp')
  if (isEventTime(timestampMs)) return timestampMs
  const message = `the record's timestamp ${timestampMs} ${likelyUnit(timestampMs)}`
  const hint = 'producers must set milliseconds since the epoch'
  throw new TidemarkError('TIME_UNIT', message, { hint })
}

/** @throws TidemarkError `FUNCTION_THREW` */
export function answerOf<E, R>(name: string, read: (event: E) => R, event: E): R {
  try {
    return read(event)
  } catch (thrown) {
    const fault = timeFault(thrown, name)
    if (fault !== null) throw fault
    throw new TidemarkError('FUNCTION_THREW', `${name} threw ${nameOf(thrown)}`, { cause: thrown })
  }
}

function invalidKey(message: string): TidemarkError {
  return new TidemarkError('KEY_INVALID', message)
}

function invalidTime(message: string): TidemarkError {
  return new TidemarkError('TIME_INVALID', message)
}

/** @throws TidemarkError of this code: it is a promise */
export function refusePromise(answer: unknown, text: string, code: Code = 'OUTPUT_INVALID'): void {
  if (!isPromise(answer)) return
  const hint = 'functions of a topology must be synchronous: no async'
  throw new TidemarkError(code, `${text} a promise`, { hint })
}

/** The kind of a number that is not an event time, in words. */
export function likelyUnit(time: number): string {
  const isNearly = (ms: number) => isEventTime(Math.trunc(ms))
  if (isNearly(time * 1_000)) return 'looks like seconds'
  if (isNearly(time / 1_000)) return 'looks like microseconds'
  if (isNearly(time / 1_000_000)) return 'looks like nanoseconds'
  return 'is not between 1980 and 2100 in any unit'
}

/** The kind of a value, for messages: these never quote a value. */
export function valueKind(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
