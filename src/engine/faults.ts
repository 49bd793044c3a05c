import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { nameOf } from '../topology/schema.ts'
import type { BadCell } from './event-columns.ts'
import { isMissing } from './missing.ts'

// Why an event cannot go on, in words. Never with a value of its payload.

export function futureError(timeMs: number, recordTimeMs: number): TidemarkError {
  const ahead = formatDuration(timeMs - recordTimeMs)
  return new TidemarkError(
    'FUTURE',
    `event time ${timeMs} is ${ahead} after its record's own timestamp ${recordTimeMs}`,
    {
      hint: 'a producer with a wrong clock? watermark.maxAhead says how far ahead an event may be',
    },
  )
}

export function lateError(timeMs: number, watermarkMs: number): TidemarkError {
  return new TidemarkError(
    'LATE',
    `event time ${timeMs} is ${watermarkMs - timeMs} ms behind the watermark ${watermarkMs}`,
  )
}

export function badColumn({ column, wanted, got }: BadCell): TidemarkError {
  const isTooLarge = wanted.includes('number') && Number.isFinite(got)
  const found = isTooLarge ? 'one that no float32 can hold' : kindOf(got)
  const what = `column "${column}" must be a ${wanted}, got ${found}`
  return new TidemarkError('COLUMN_INVALID', isMissing(got) ? `${what}; ${MISSING}` : what)
}

const MISSING =
  "if events may lack it, write { of, missing: 'skip' } for the column, f.only(has…) for the kind, or .where(has…) before the step"

/** Of the author's functions: which class was thrown, never what it says. */
export function threw(cause: unknown, step?: string): TidemarkError {
  const who = step === undefined ? 'a function of the topology' : `step "${step}"`
  return new TidemarkError('FUNCTION_THREW', `${who} threw ${nameOf(cause)}`, { cause })
}

/**
 * What a value is, for a message; not the value, which may be a payload's, but NaN and the
 * infinities say what is wrong.
 */
export function kindOf(value: unknown): string {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  return typeof value
}
