import { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { type Answer, columnNames, type Scorer } from './scorer.ts'
import type { AttemptOutcome, FallbackReason, StepModel } from './step-models.ts'

export interface StepBatch {
  /** Row-major float32[count, features], features in the step's order. */
  readonly rows: Float32Array
  readonly count: number
  /** The rule that holds, by row. @default the step has no rules */
  readonly routes?: Uint8Array | undefined
  /** Whether rows of others go first. @default no */
  readonly yields?: boolean
}

interface ModelRun {
  readonly scorer: Scorer
  readonly rows: number
  readonly runMs: number
}

interface Attempt {
  readonly decision: number
  readonly outcome: AttemptOutcome
  readonly rows: number
}

export interface StepAnswer {
  /** One number a row for each of the step's outputs; NaN for one with a fault. */
  readonly columns: readonly Float64Array[]
  /** The decision about each row. */
  readonly decided: Uint8Array
  /** Why rows have no score: `SCORE_FAILED` or `SCORE_NOT_FINITE`. */
  readonly faults: ReadonlyMap<number, TidemarkError>
  readonly runs: readonly ModelRun[]
  /** A row that the fallback got is in two. */
  readonly attempts: readonly Attempt[]
  /** How long the longest of its models ran, ms, without the time that rows queued. */
  readonly runMs: number
}

export interface Failure {
  readonly reason: FallbackReason
  readonly error: TidemarkError
}

export interface RowsOf {
  readonly model: StepModel
  /** `null`: all rows. */
  readonly chosen: readonly number[] | null
}

export interface ModelAnswer extends RowsOf {
  /** `null`: there is none, as `failures` says. */
  readonly answer: Answer | null
  /** By the model's own row numbers, from 0. */
  readonly failures: ReadonlyMap<number, Failure>
}

export class GatheredAnswer implements StepAnswer {
  readonly columns: readonly Float64Array[]
  readonly decided: Uint8Array
  readonly faults = new Map<number, TidemarkError>()
  readonly runs: ModelRun[] = []
  runMs = 0
  readonly #rowCounts: number[] = []
  readonly #missed = new Map<string, { decision: number; outcome: FallbackReason; rows: number }>()

  constructor({ count, routes }: StepBatch, { outputs }: ScoreStep) {
    const width = columnNames(outputs).length
    this.columns = Array.from({ length: width }, () => new Float64Array(count).fill(Number.NaN))
    this.decided = routes === undefined ? new Uint8Array(count) : routes.slice(0, count)
    if (routes === undefined) this.#rowCounts[0] = count
    else for (const decision of this.decided) this.#give(decision)
  }

  get attempts(): readonly Attempt[] {
    const missed = [...this.#missed.values()]
    // Decisions that have given no row are holes, and left out here.
    const scored = this.#rowCounts.flatMap((rowCount, decision): Attempt[] => {
      const misses = missed.filter((each) => each.decision === decision)
      const rows = rowCount - misses.reduce((n, each) => n + each.rows, 0)
      return rows > 0 ? [{ decision, outcome: 'scored', rows }] : []
    })
    return [...scored, ...missed]
  }

  take({ model, chosen, answer }: ModelAnswer): void {
    if (answer === null) return
    for (const [c, column] of model.common.entries()) {
      const [to, from] = [this.columns[c] as Float64Array, answer.columns[column] as Float64Array]
      if (chosen === null) to.set(from)
      else for (let i = 0; i < chosen.length; i++) to[chosen[i] as number] = from[i] as number
    }
    const rows = chosen?.length ?? this.decided.length
    this.runs.push({ scorer: model.scorer, rows, runMs: answer.runMs })
    this.runMs = Math.max(this.runMs, answer.runMs)
  }

  missed(row: number, outcome: FallbackReason): void {
    const decision = this.decided[row] as number
    const key = `${decision} ${outcome}`
    const miss = this.#missed.get(key)
    if (miss === undefined) this.#missed.set(key, { decision, outcome, rows: 1 })
    else miss.rows++
  }

  decide(row: number, decision: number): void {
    this.decided[row] = decision
    this.#give(decision)
  }

  fail(row: number, error: TidemarkError): void {
    this.faults.set(row, error)
    for (const column of this.columns) column[row] = Number.NaN
  }

  #give(decision: number): void {
    this.#rowCounts[decision] = (this.#rowCounts[decision] ?? 0) + 1
  }
}

export function numbersOf({ chosen }: Pick<RowsOf, 'chosen'>, count: number): readonly number[] {
  return chosen ?? Array.from({ length: count }, (_, row) => row)
}

/** The number in the call of one of the model's own rows. */
export function rowOf({ chosen }: ModelAnswer, modelRow: number): number {
  return chosen === null ? modelRow : (chosen[modelRow] as number)
}

/** Why a row has no score, in words; `score-not-finite` has its own. */
const WORDS = {
  'score-failed': 'fails on its features',
  'model-failing': 'fails on its features',
  'model-open': 'was not asked, since it fails on all',
  'model-hung': 'gave no answer: it hangs',
  'model-ended': 'gave no answer: its thread has ended',
  budget: 'would not answer within the latency budget',
} as const

type ModelReason = keyof typeof WORDS

// One error stands for all rows with it, because each would cost more than a score.

function failureOf({ label }: Scorer, reason: ModelReason): Failure {
  const error = new TidemarkError('SCORE_FAILED', `model ${label} ${WORDS[reason]}`)
  return { reason, error }
}

export function failuresOf(
  { scorer, columns: names }: StepModel,
  { columns, failed, lost, errors }: Answer,
  count: number,
): ReadonlyMap<number, Failure> {
  const failures = new Map<number, Failure>()
  if (lost.size > 0) {
    const isLost = failureOf(scorer, scorer.state === 'ended' ? 'model-ended' : 'model-hung')
    for (const row of lost) failures.set(row, isLost)
  }
  if (failed.size > 0) {
    const hasFailed = failureOf(scorer, 'score-failed')
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
      const failure = byValue.get(value) ?? notFinite(`model ${scorer.label}`, names[c], value)
      byValue.set(value, failure)
      failures.set(row, failure)
    }
  }
  return failures
}

function notFinite(model: string, output: string | undefined, value: number): Failure {
  const message = `${model} gave ${value} for "${output}"`
  return { reason: 'score-not-finite', error: new TidemarkError('SCORE_NOT_FINITE', message) }
}

/** @param fallback why that one could not score the row */
export function bothFailed({ code, message }: TidemarkError, fallback: string): TidemarkError {
  return new TidemarkError(code, `${message}; its fallback: ${fallback}`)
}

export function noAnswer(
  model: StepModel,
  chosen: readonly number[],
  reason: ModelReason,
): ModelAnswer {
  const failure = failureOf(model.scorer, reason)
  return { model, chosen, answer: null, failures: new Map(chosen.map((_, i) => [i, failure])) }
}
