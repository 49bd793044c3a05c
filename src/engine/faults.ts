import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { nameOf } from '../topology/schema.ts'
import { timeFault } from '../topology/times.ts'
import { type BadCell, isMissing } from './store/event-columns.ts'

// Errors of events that are not processed further. Messages never contain a payload's value.

export function futureError(timeMs: number, recordTimeMs: number): TidemarkError {
  const ahead = formatDuration(timeMs - recordTimeMs)
  const message = `the event time is ${ahead} after its record's own timestamp`
  const hint =
    'does a producer have a wrong clock? watermark.maxAhead sets how far ahead an event may be'
  return new TidemarkError('FUTURE', message, { hint })
}

export function lateError(timeMs: number, watermarkMs: number): TidemarkError {
  const behindMs = watermarkMs - timeMs
  return new TidemarkError('LATE', `the event time is ${behindMs} ms behind the watermark`)
}

export function badId(got: unknown): TidemarkError {
  const kind = got === '' ? 'empty text' : typeNameOf(got)
  return new TidemarkError('ID_INVALID', `by must return text that is not empty, got ${kind}`)
}

export function badColumn({ column, wanted, got }: BadCell): TidemarkError {
  const isTooLarge = wanted.includes('number') && Number.isFinite(got)
  const kind = isTooLarge ? 'one that no float32 can hold' : typeNameOf(got)
  const message = `column "${column}" must be a ${wanted}, got ${kind}`
  return new TidemarkError('COLUMN_INVALID', isMissing(got) ? `${message}; ${MISSING}` : message)
}

const MISSING =
  "if events may lack it, write { of, missing: 'skip' } for the column, f.only(has…) for the kind, or .where(has…) before the step"

/**
 * The message names the class of the thrown value, never its text, unless it is a time's fault.
 * @param step or a feature of one, `features.age` @default not known
 */
export function threw(cause: unknown, step?: string): TidemarkError {
  const fault = timeFault(cause, step)
  if (fault !== null) return fault
  const who = step === undefined ? 'a function of the topology' : `step "${step}"`
  return new TidemarkError('FUNCTION_THREW', `${who} threw ${nameOf(cause)}`, { cause })
}

/**
 * A value's type, for a message. Only null, NaN and the infinities are named, because any other
 * value may be part of a payload.
 */
export function typeNameOf(value: unknown): string {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  return typeof value
}
