import type { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { columnNames } from './score-columns.ts'
import type { Answer, Scorer } from './scorer.ts'
import type { AttemptOutcome, FallbackReason, StepModel } from './step-models.ts'

/** The rows of events that have reached a score step. */
export interface StepBatch {
  /** Row-major float32[count, features], features in the step's order. */
  readonly rows: Float32Array
  readonly count: number
  /** By row: the number of the rule that holds. @default the step has no rules */
  readonly routes?: Uint8Array | undefined
}

/** Rows that one model has been given. */
interface ModelRun {
  readonly scorer: Scorer
  readonly rows: number
  /** Total time of the runs that these rows were in, ms. */
  readonly runMs: number
}

/** Rows that were given to a model, by what became of them. */
interface Attempt {
  /** The number of the decision that gave them to it. */
  readonly decision: number
  /** `scored`, or why it has not scored them. */
  readonly outcome: AttemptOutcome
  readonly rows: number
}

/** What a step says of the rows of one call. */
export interface StepAnswer {
  /** One number a row for each of the step's outputs, in their order; NaN for one with a fault. */
  readonly columns: readonly Float64Array[]
  /** By row, the number of its decision; `null`: 0 for all. */
  readonly decided: Uint8Array | null
  /** By row, why it has no score: `SCORE_FAILED` or `SCORE_NOT_FINITE`. */
  readonly faults: ReadonlyMap<number, TidemarkError>
  /** The rows that each model was given. */
  readonly runs: readonly ModelRun[]
  /** A row that the fallback was given is in two. */
  readonly attempts: readonly Attempt[]
  /** How long the longest of its models ran, ms; without the time that its rows queued. */
  readonly runMs: number
}

/** Why a model has not scored a row. */
export interface Failure {
  readonly reason: FallbackReason
  readonly error: TidemarkError
}

/** The rows of one model in a call, by their numbers. */
export interface RowsOf {
  readonly model: StepModel
  /** `null`: all rows. */
  readonly chosen: readonly number[] | null
}

/** The rows of one model in a call, and what it says of them. */
export interface Asked extends RowsOf {
  /** `null`: it was not asked, or had no answer: see `failures`. */
  readonly answer: Answer | null
  /** By its own numbers, from 0. */
  readonly failures: ReadonlyMap<number, Failure>
}

/** The answer of a step, as those of its models come in. */
export class GatheredAnswer implements StepAnswer {
  readonly columns: readonly Float64Array[]
  readonly decided: Uint8Array
  readonly faults = new Map<number, TidemarkError>()
  readonly runs: ModelRun[] = []
  runMs = 0
  /** By decision: how many rows it has given to its model. */
  readonly #given: number[] = []
  /** By decision and reason: how many of these the model has not scored. */
  readonly #missed = new Map<string, { decision: number; outcome: FallbackReason; rows: number }>()

  constructor({ count, routes }: StepBatch, { outputs }: ScoreStep) {
    const width = columnNames(outputs).length
    this.columns = Array.from({ length: width }, () => new Float64Array(count).fill(Number.NaN))
    this.decided = routes === undefined ? new Uint8Array(count) : routes.slice(0, count)
    for (const decision of this.decided) this.#give(decision)
  }

  get attempts(): readonly Attempt[] {
    const missed = [...this.#missed.values()]
    // Decisions that have given no row are holes, which are left out here.
    const scored = this.#given.flatMap((given, decision): Attempt[] => {
      const own = missed.filter((each) => each.decision === decision)
      const rows = given - own.reduce((n, each) => n + each.rows, 0)
      return rows > 0 ? [{ decision, outcome: 'scored', rows }] : []
    })
    return [...scored, ...missed]
  }

  take(asked: Asked): void {
    const { model, answer } = asked
    if (answer === null) return
    for (const [c, own] of model.common.entries()) {
      const [to, from] = [this.columns[c] as Float64Array, answer.columns[own] as Float64Array]
      if (asked.chosen === null) to.set(from)
      else {
        const { chosen } = asked
        for (let i = 0; i < chosen.length; i++) to[chosen[i] as number] = from[i] as number
      }
    }
    const run = runOf(asked, answer)
    this.runs.push(run)
    this.runMs = Math.max(this.runMs, run.runMs)
  }

  /** The model that was given the row last has not scored it. */
  missed(row: number, outcome: FallbackReason): void {
    const decision = this.decided[row] as number
    const key = `${decision} ${outcome}`
    const known = this.#missed.get(key)
    if (known === undefined) this.#missed.set(key, { decision, outcome, rows: 1 })
    else known.rows++
  }

  /** Gives the row to another model. */
  decide(row: number, decision: number): void {
    this.decided[row] = decision
    this.#give(decision)
  }

  fail(row: number, error: TidemarkError): void {
    this.faults.set(row, error)
    for (const column of this.columns) column[row] = Number.NaN
  }

  #give(decision: number): void {
    this.#given[decision] = (this.#given[decision] ?? 0) + 1
  }
}

/** The numbers of a model's rows in a call of `count` rows. */
export function numbersOf({ chosen }: Pick<RowsOf, 'chosen'>, count: number): readonly number[] {
  return chosen ?? Array.from({ length: count }, (_, row) => row)
}

/** The number in the call of one of the model's own rows. */
export function rowOf({ chosen }: Asked, own: number): number {
  return chosen === null ? own : (chosen[own] as number)
}

function runOf({ model, chosen }: Asked, answer: Answer): ModelRun {
  const rows = chosen?.length ?? answer.columns[0]?.length ?? 0
  return { scorer: model.scorer, rows, runMs: answer.runMs }
}

/** Can the answer of the only model be that of the step? */
export function isWhole({ model, answer, failures }: Asked): boolean {
  return answer !== null && failures.size === 0 && model.common.every((own, i) => own === i)
}

/** The answer of a step that is that of its only model. */
export function wholeAnswer(asked: Asked): Omit<StepAnswer, 'decided'> {
  const answer = asked.answer as Answer
  const columns = answer.columns.slice(0, asked.model.common.length)
  const run = runOf(asked, answer)
  const attempts: readonly Attempt[] = [{ decision: 0, outcome: 'scored', rows: run.rows }]
  return { columns, faults: NO_FAULTS, runs: [run], attempts, runMs: answer.runMs }
}

const NO_FAULTS: ReadonlyMap<number, TidemarkError> = new Map()
