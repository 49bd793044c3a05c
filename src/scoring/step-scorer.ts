import { TidemarkError } from '../kernel/errors.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { ModelBreakers } from './model-breaker.ts'
import type { Answer, Scorer } from './scorer.ts'
import {
  type AttemptOutcome,
  type Decision,
  type FallbackReason,
  type StepModel,
  StepModels,
} from './step-models.ts'
import { soonEnough } from './variants.ts'

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
  /** One number a row for each of the step's outputs, in their order. */
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
interface Failure {
  readonly reason: FallbackReason
  readonly error: TidemarkError
}

/** The rows of one model in a call, by their numbers. */
interface RowsOf {
  readonly model: StepModel
  /** `null`: all rows. */
  readonly chosen: readonly number[] | null
}

/** The rows of one model in a call, and what it says of them. */
interface Asked extends RowsOf {
  /** `null`: it was not asked, or had no answer: see `failures`. */
  readonly answer: Answer | null
  /** By its own numbers, from 0. */
  readonly failures: ReadonlyMap<number, Failure>
}

/**
 * Scores the events that reach a step: each with the model that a rule said, and with the fallback
 * where that could not.
 */
export class StepScorer {
  readonly step: ScoreStep
  #models: StepModels
  /** `null`: it has no variants, or none is chosen yet. */
  #variant: string | null = null
  readonly #breakers: ModelBreakers

  /**
   * @param scorers by the models' names in the step; of variants that are chosen for each batch,
   * the most accurate first
   */
  constructor(
    step: ScoreStep,
    scorers: ReadonlyMap<string, Scorer>,
    nowMs: () => number = () => performance.now(),
  ) {
    this.step = step
    this.#models = new StepModels(step, scorers)
    this.#breakers = new ModelBreakers(nowMs)
  }

  /** By name. */
  get scorers(): ReadonlyMap<string, Scorer> {
    return new Map([...this.#models.models].map(([name, { scorer }]) => [name, scorer]))
  }

  /** Every decision that it can take, by number. */
  get decisions(): readonly Decision[] {
    return this.#models.decisions
  }

  /** The variant that scores from its start to its end; `null`: it has none, or none yet. */
  get variant(): string | null {
    return this.#variant
  }

  /** Scores with one of its variants from now on. The models of the others may be closed then. */
  settleFor(variant: string): void {
    const scorer = this.scorers.get(variant) as Scorer
    const step = { ...this.step, otherwise: variant, variants: null }
    this.#models = new StepModels(step, new Map([[variant, scorer]]))
    this.#variant = variant
  }

  /**
   * Scores rows. They may be reused once this resolves.
   *
   * @throws TidemarkError `MODEL_FAILING` when a model without a fallback fails on all rows: the
   * call may be retried
   */
  async score(given: StepBatch): Promise<StepAnswer> {
    // No batch says nothing of a model.
    if (given.count === 0) return new Together(given, this.step)
    const batch = this.#adapted(given)
    const shares = this.#shareOut(batch).flatMap((share) => this.#inTime(share, batch.count))
    const asked = await Promise.all(
      shares.map(async (share) => ('answer' in share ? share : this.#ask(share, batch))),
    )
    const [only] = asked
    if (only !== undefined && asked.length === 1 && isWhole(only) && batch.routes === undefined) {
      return { ...wholeAnswer(only), decided: null }
    }
    return this.#together(batch, asked)
  }

  /** Gives the batch to the variant that is chosen for it, where one is. */
  #adapted(batch: StepBatch): StepBatch {
    const { variants, latencyBudgetMs: budgetMs } = this.step
    if (variants?.adapt !== true || this.#variant !== null) return batch
    const { count } = batch
    const scorers = [...this.scorers.values()]
    const rule = soonEnough(scorers, { rows: count, budgetMs })
    for (const better of scorers.slice(0, rule)) better.passOver()
    return { ...batch, routes: new Uint8Array(count).fill(rule) }
  }

  /** Which rows each model gets. */
  #shareOut({ count, routes }: StepBatch): RowsOf[] {
    if (routes === undefined) return [{ model: this.#models.byRule(0), chosen: null }]
    const rows = new Map<StepModel, number[]>()
    for (let row = 0; row < count; row++) {
      const model = this.#models.byRule(routes[row] as number)
      const own = rows.get(model)
      if (own === undefined) rows.set(model, [row])
      else own.push(row)
    }
    return [...rows].map(([model, chosen]) => {
      return { model, chosen: chosen.length === count ? null : chosen }
    })
  }

  /**
   * Splits the rows of a model into those that it can answer within the latency budget, and those
   * that go to the fallback at once: where the author says so.
   */
  #inTime({ model, chosen }: RowsOf, count: number): (RowsOf | Asked)[] {
    const { fallback } = this.#models
    const isSplit = this.step.fallback?.on.includes('budget') === true
    const { scorer } = model
    if (!isSplit || fallback === model || scorer.state !== 'open') return [{ model, chosen }]
    const all = chosen ?? Array.from({ length: count }, (_, row) => row)
    const most = rowsWithin(scorer, { budgetMs: this.step.latencyBudgetMs, count: all.length })
    if (most === all.length) return [{ model, chosen }]
    const rest = noAnswer({ model, chosen: all.slice(most) }, 'budget', tooSlow(scorer))
    if (most > 0) return [{ model, chosen: all.slice(0, most) }, rest]
    scorer.passOver()
    return [rest]
  }

  /** Asks a model for its rows; one with a fallback may be passed over. */
  async #ask(rows: RowsOf, batch: StepBatch): Promise<Asked> {
    const { model, chosen } = rows
    const { fallback } = this.#models
    if (fallback === null || fallback === model) return this.#answerOf(rows, batch)
    const breaker = this.#breakers.of(model.scorer)
    const all = chosen ?? Array.from({ length: batch.count }, (_, row) => row)
    // One that takes no rows now answers at once, and says why.
    if (model.scorer.state === 'open' && !breaker.permits()) {
      return noAnswer({ model, chosen: all }, 'model-open', notAsked(model.scorer))
    }
    const asked = await this.#orFailing(rows, batch)
    if (asked.failures.size === all.length) breaker.failed()
    else breaker.succeeded()
    return asked
  }

  /** As {@link #answerOf}, but it has not failed if the model fails on all rows. */
  async #orFailing(rows: RowsOf, batch: StepBatch): Promise<Asked> {
    try {
      return await this.#answerOf(rows, batch)
    } catch (error) {
      if (!(error instanceof TidemarkError && error.code === 'MODEL_FAILING')) throw error
      const { model } = rows
      const chosen = rows.chosen ?? Array.from({ length: batch.count }, (_, row) => row)
      return noAnswer({ model, chosen }, 'model-failing', fails(model.scorer))
    }
  }

  /** @throws TidemarkError `MODEL_FAILING` */
  async #answerOf({ model, chosen }: RowsOf, batch: StepBatch): Promise<Asked> {
    const count = chosen?.length ?? batch.count
    const answer = await model.scorer.score(model.rowsOf(batch.rows, chosen), count)
    return { model, chosen, answer, failures: failuresOf(model, answer, count) }
  }

  /** Puts the answers of several models together, and asks the fallback for what is missing. */
  async #together(batch: StepBatch, asked: readonly Asked[]): Promise<StepAnswer> {
    const answer = new Together(batch, this.step)
    const { fallback } = this.#models
    const missed = new Map<number, Failure>()
    for (const one of asked) {
      answer.take(one)
      for (const [own, failure] of one.failures) {
        const row = rowOf(one, own)
        answer.missed(row, failure.reason)
        if (fallback === null || one.model === fallback) answer.fail(row, failure.error)
        else missed.set(row, failure)
      }
    }
    if (fallback !== null && missed.size > 0) await this.#fallBack(batch, missed, answer)
    return answer
  }

  async #fallBack(
    batch: StepBatch,
    missed: ReadonlyMap<number, Failure>,
    answer: Together,
  ): Promise<void> {
    const fallback = this.#models.fallback as StepModel
    const chosen: number[] = []
    for (const [row, { reason, error }] of missed) {
      answer.decide(row, this.#models.fallbackDecision(reason))
      const lacking = fallback.lacks(batch.rows, row)
      if (lacking === null) chosen.push(row)
      else answer.fail(row, bothFailed(error, `feature "${lacking}" is not finite`))
    }
    const again = await this.#orFailing({ model: fallback, chosen }, batch)
    answer.take(again)
    for (const [own, { reason, error }] of again.failures) {
      const row = rowOf(again, own)
      answer.missed(row, reason)
      answer.fail(row, bothFailed((missed.get(row) as Failure).error, error.message))
    }
  }
}

/** The answer of a step, as those of its models come in. */
class Together implements StepAnswer {
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
    const width = Object.values(outputs).reduce(
      (sum, { columns }) => sum + (columns?.length ?? 1),
      0,
    )
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
  }

  #give(decision: number): void {
    this.#given[decision] = (this.#given[decision] ?? 0) + 1
  }
}

function rowOf({ chosen }: Asked, own: number): number {
  return chosen === null ? own : (chosen[own] as number)
}

function runOf({ model, chosen }: Asked, answer: Answer): ModelRun {
  const rows = chosen?.length ?? answer.columns[0]?.length ?? 0
  return { scorer: model.scorer, rows, runMs: answer.runMs }
}

/** Can the answer of the only model be that of the step? */
function isWhole({ model, answer, failures }: Asked): boolean {
  return answer !== null && failures.size === 0 && model.common.every((own, i) => own === i)
}

function wholeAnswer(asked: Asked): Omit<StepAnswer, 'decided'> {
  const answer = asked.answer as Answer
  const columns = answer.columns.slice(0, asked.model.common.length)
  const run = runOf(asked, answer)
  const attempts: readonly Attempt[] = [{ decision: 0, outcome: 'scored', rows: run.rows }]
  return { columns, faults: NO_FAULTS, runs: [run], attempts, runMs: answer.runMs }
}

const NO_FAULTS: ReadonlyMap<number, TidemarkError> = new Map()
const NO_FAILURES: ReadonlyMap<number, Failure> = new Map()

/** Which rows have no score that can be published. */
function failuresOf(
  { scorer, columns: names }: StepModel,
  { columns, failed, lost }: Answer,
  count: number,
): ReadonlyMap<number, Failure> {
  let failures: Map<number, Failure> | null = null
  const add = (row: number, reason: FallbackReason, error: TidemarkError) => {
    failures ??= new Map()
    if (!failures.has(row)) failures.set(row, { reason, error })
  }
  for (const row of lost) add(row, ...lostBy(scorer))
  for (const row of failed) add(row, 'score-failed', fails(scorer))
  for (const [c, column] of columns.entries()) {
    for (let row = 0; row < count; row++) {
      const value = column[row] as number
      if (Number.isFinite(value)) continue
      const what = `model ${scorer.label} gave ${value} for "${names[c]}"`
      add(row, 'score-not-finite', new TidemarkError('SCORE_NOT_FINITE', what))
    }
  }
  return failures ?? NO_FAILURES
}

function fails({ label }: Scorer): TidemarkError {
  return new TidemarkError('SCORE_FAILED', `model ${label} fails on its features`)
}

function lostBy({ label, state }: Scorer): [FallbackReason, TidemarkError] {
  const isEnded = state === 'ended'
  const why = isEnded ? 'its thread has ended' : 'it hangs'
  const error = new TidemarkError('SCORE_FAILED', `model ${label} gave no answer: ${why}`)
  return [isEnded ? 'model-ended' : 'model-hung', error]
}

function notAsked({ label }: Scorer): TidemarkError {
  return new TidemarkError('SCORE_FAILED', `model ${label} was not asked, since it fails on all`)
}

function bothFailed({ code, message }: TidemarkError, fallback: string): TidemarkError {
  return new TidemarkError(code, `${message}; its fallback: ${fallback}`)
}

function tooSlow({ label }: Scorer): TidemarkError {
  const what = `model ${label} would not answer within the latency budget`
  return new TidemarkError('SCORE_FAILED', what)
}

function noAnswer(
  rows: { readonly model: StepModel; readonly chosen: readonly number[] },
  reason: FallbackReason,
  error: TidemarkError,
): Asked {
  return {
    ...rows,
    answer: null,
    failures: new Map(rows.chosen.map((_, i) => [i, { reason, error }])),
  }
}

/** How many of `count` further rows a model can answer within a budget, by what waits for it. */
function rowsWithin(
  scorer: Scorer,
  { budgetMs, count }: { readonly budgetMs: number; readonly count: number },
): number {
  if (scorer.answerMs(count) <= budgetMs) return count
  let [least, most] = [0, count]
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2)
    if (scorer.answerMs(middle) <= budgetMs) least = middle
    else most = middle
  }
  return least
}
