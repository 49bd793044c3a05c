import { TidemarkError } from '../kernel/errors.ts'
import type { Answer, Scorer } from './scorer.ts'
import type { Asked, Failure } from './step-answer.ts'
import type { StepModel } from './step-models.ts'

// Why rows have no score. One error stands for all rows that have it: each would cost more than a
// score.

/** Which rows have no score that can be published. */
export function failuresOf(
  { scorer, columns: names }: StepModel,
  { columns, failed, lost, errors }: Answer,
  count: number,
): ReadonlyMap<number, Failure> {
  const failures = new Map<number, Failure>()
  if (lost.size > 0) {
    const isLost = lostBy(scorer)
    for (const row of lost) failures.set(row, isLost)
  }
  if (failed.size > 0) {
    const hasFailed = { reason: 'score-failed', error: fails(scorer) } as const
    for (const row of failed) {
      const error = errors?.get(row)
      failures.set(row, error === undefined ? hasFailed : { ...hasFailed, error })
    }
  }
  for (const [c, column] of columns.entries()) {
    const byValue = new Map<number, Failure>()
    for (let row = 0; row < count; row++) {
      const value = column[row] as number
      if (Number.isFinite(value) || failures.has(row)) continue
      const known = byValue.get(value) ?? notFinite(`model ${scorer.label}`, names[c], value)
      byValue.set(value, known)
      failures.set(row, known)
    }
  }
  return failures
}

function notFinite(model: string, output: string | undefined, value: number): Failure {
  const what = `${model} gave ${value} for "${output}"`
  return { reason: 'score-not-finite', error: new TidemarkError('SCORE_NOT_FINITE', what) }
}

/** `SCORE_FAILED`: the model fails on the row. */
export function fails({ label }: Scorer): TidemarkError {
  return new TidemarkError('SCORE_FAILED', `model ${label} fails on its features`)
}

function lostBy({ label, state }: Scorer): Failure {
  const isEnded = state === 'ended'
  const why = isEnded ? 'its thread has ended' : 'it hangs'
  const error = new TidemarkError('SCORE_FAILED', `model ${label} gave no answer: ${why}`)
  return { reason: isEnded ? 'model-ended' : 'model-hung', error }
}

/** `SCORE_FAILED`: the model has failed too often, and was given no row. */
export function notAsked({ label }: Scorer): TidemarkError {
  return new TidemarkError('SCORE_FAILED', `model ${label} was not asked, since it fails on all`)
}

/** The error of a row that the fallback could not score either. @param fallback why not */
export function bothFailed({ code, message }: TidemarkError, fallback: string): TidemarkError {
  return new TidemarkError(code, `${message}; its fallback: ${fallback}`)
}

/** `SCORE_FAILED`: the model was not given the row, since the answer would be late. */
export function tooSlow({ label }: Scorer): TidemarkError {
  const what = `model ${label} would not answer within the latency budget`
  return new TidemarkError('SCORE_FAILED', what)
}

/** What is known of rows that a model has not scored, all for one reason. */
export function noAnswer(
  rows: { readonly model: StepModel; readonly chosen: readonly number[] },
  failure: Failure,
): Asked {
  return {
    ...rows,
    answer: null,
    failures: new Map(rows.chosen.map((_, i) => [i, failure])),
  }
}
