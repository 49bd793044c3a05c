import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { nameOf } from '../topology/schema.ts'
import type { BadCell } from './event-columns.ts'
import { isMissing } from './missing.ts'

// Errors for events that cannot be processed further. Their messages never contain a value of the
// payload.

/** `FUTURE`: the event time is too far ahead of the record's timestamp. */
export function futureError(timeMs: number, recordTimeMs: number): TidemarkError {
  const ahead = formatDuration(timeMs - recordTimeMs)
  return new TidemarkError(
    'FUTURE',
    `event time ${timeMs} is ${ahead} after its record's own timestamp ${recordTimeMs}`,
    {
      hint: 'does a producer have a wrong clock? watermark.maxAhead sets how far ahead an event may be',
    },
  )
}

/** `LATE`: the event is behind the watermark. */
export function lateError(timeMs: number, watermarkMs: number): TidemarkError {
  return new TidemarkError(
    'LATE',
    `event time ${timeMs} is ${watermarkMs - timeMs} ms behind the watermark ${watermarkMs}`,
  )
}

/** `ID_INVALID`: a function returned something that identifies no event. */
export function badId(got: unknown): TidemarkError {
  const found = got === '' ? 'empty text' : kindOf(got)
  return new TidemarkError('ID_INVALID', `by must return text that is not empty, got ${found}`)
}

/** `COLUMN_INVALID`: a column returned something that a window cannot hold. */
export function badColumn({ column, wanted, got }: BadCell): TidemarkError {
  const isTooLarge = wanted.includes('number') && Number.isFinite(got)
  const found = isTooLarge ? 'one that no float32 can hold' : kindOf(got)
  const what = `column "${column}" must be a ${wanted}, got ${found}`
  return new TidemarkError('COLUMN_INVALID', isMissing(got) ? `${what}; ${MISSING}` : what)
}

const MISSING =
  "if events may lack it, write { of, missing: 'skip' } for the column, f.only(has…) for the kind, or .where(has…) before the step"

/**
 * `FUNCTION_THREW`: an author's function threw. The message names the class of what was thrown,
 * never its text.
 */
export function threw(cause: unknown, step?: string): TidemarkError {
  const who = step === undefined ? 'a function of the topology' : `step "${step}"`
  return new TidemarkError('FUNCTION_THREW', `${who} threw ${nameOf(cause)}`, { cause })
}

/**
 * The type of a value, for a message. The value itself may be part of a payload, so only null, NaN
 * and the infinities are named, since they show what is wrong.
 */
export function kindOf(value: unknown): string {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  return typeof value
}
