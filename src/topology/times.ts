import { TidemarkError } from '../kernel/errors.ts'
import { isoTimeMs } from '../kernel/iso-time.ts'
import { TIME, type TimeReading, type TimeUnit } from './function-reading.ts'

// Times of events as authors have them, for `eventTimeMs` and for columns.

type TimeOf<E, V> = (event: E) => V

/**
 * Reads a time that is text in RFC 3339, `2026-03-01T09:30:00.5+02:00`, as ms since the epoch, finer
 * parts cut off. For `eventTimeMs`, or as a column: `{ of, missing: 'skip' }` if events may lack it.
 * Any other text makes its event a dead letter `TIME_INVALID`, as does one without an offset.
 */
export function isoTime<E>(read: TimeOf<E, string>): TimeOf<E, number>
export function isoTime<E>(
  read: TimeOf<E, string | null | undefined>,
): TimeOf<E, number | null | undefined>
export function isoTime<E>(read: TimeOf<E, unknown>): TimeOf<E, number | null | undefined> {
  return timeOf('isoTime', read, 'iso')
}

/**
 * Reads a time that is a number of seconds, which may have a fraction, or of microseconds since the
 * epoch, as ms: of seconds the nearest, of microseconds rounded down. Otherwise like {@link isoTime}.
 */
export function unixTime<E>(
  read: TimeOf<E, number>,
  unit: 'seconds' | 'microseconds',
): TimeOf<E, number>
export function unixTime<E>(
  read: TimeOf<E, number | null | undefined>,
  unit: 'seconds' | 'microseconds',
): TimeOf<E, number | null | undefined>
export function unixTime<E>(
  read: TimeOf<E, unknown>,
  unit: 'seconds' | 'microseconds',
): TimeOf<E, number | null | undefined> {
  return timeOf('unixTime', read, unit)
}

function timeOf<E>(name: string, read: TimeOf<E, unknown>, unit: TimeUnit) {
  const made = (event: E) => {
    const value = read(event)
    return value === null || value === undefined ? value : timeMs(value, unit)
  }
  // Its source in descriptions and fingerprints, which its own would not tell apart.
  const text = unit === 'iso' ? `${name}(${String(read)})` : `${name}(${String(read)}, '${unit}')`
  const reading: TimeReading = { of: read, unit }
  return Object.assign(made, { toString: () => text, [TIME]: reading })
}

/** Marks the faults of times, also of another copy of this package: their messages have no value. */
const FAULT = Symbol.for('tidemark.time-fault')

/** @throws TidemarkError `TIME_INVALID` */
export function timeMs(value: unknown, unit: TimeUnit): number {
  const type = unit === 'iso' ? 'string' : 'number'
  const got = typeof value
  if (got !== type) throw invalid(`a time must be a ${type}, got ${got}`)
  const ms =
    unit === 'iso'
      ? isoTimeMs(value as string)
      : unit === 'seconds'
        ? Math.round((value as number) * 1_000)
        : Math.floor((value as number) / 1_000)
  if (Number.isFinite(ms)) return ms
  throw unit === 'iso' ? notIso(value as string) : invalid(`a time is ${String(value)}`)
}

/**
 * The fault of a time, also where another copy of this package threw it; `null`: it is not one.
 * @param name of the column or function @default the message has it already
 */
export function timeFault(thrown: unknown, name?: string): TidemarkError | null {
  if (!(thrown instanceof Error && FAULT in thrown)) return null
  const { message, hint } = thrown as unknown as TidemarkError
  return invalid(name === undefined ? message : `${name}: ${message}`, hint)
}

const LOCAL = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?$/

function notIso(text: string): TidemarkError {
  return LOCAL.test(text)
    ? invalid('a time has no offset from UTC', 'write Z or an offset such as +02:00 behind it')
    : invalid('a time is not RFC 3339, as 2026-03-01T09:30:00Z is')
}

function invalid(message: string, hint?: string): TidemarkError {
  const error = new TidemarkError('TIME_INVALID', message, hint === undefined ? {} : { hint })
  return Object.assign(error, { [FAULT]: true })
}
