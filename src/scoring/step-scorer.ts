import { TidemarkError } from '../kernel/errors.ts'
import { groupedBy } from '../kernel/grouped.ts'
import type { ScoreStep } from '../topology/definition.ts'
import type { Scorer } from './scorer.ts'
import {
  bothFailed,
  type Failure,
  failuresOf,
  GatheredAnswer,
  type ModelAnswer,
  noAnswer,
  numbersOf,
  type RowsOf,
  rowOf,
  type StepAnswer,
  type StepBatch,
} from './step-answer.ts'
import { type Decision, type StepModel, StepModels, soonEnough } from './step-models.ts'

/**
 * Scores the events of a step: with the model that a rule names, and with the fallback where that
 * one could not.
 */
export class StepScorer {
  readonly step: ScoreStep
  #models: StepModels
  #variant: string | null = null

  /**
   * @param scorers by the models' names in the step; of variants that are chosen for each batch,
   * the most accurate first
   */
  constructor(step: ScoreStep, scorers: ReadonlyMap<string, Scorer>) {
    this.step = step
    this.#models = new StepModels(step, scorers)
  }

  get scorers(): ReadonlyMap<string, Scorer> {
    return new Map([...this.#models.models].map(([name, { scorer }]) => [name, scorer]))
  }

  get decisions(): readonly Decision[] {
    return this.#models.decisions
  }

  /** The variant that scores from its start to its end; `null`: there is none, or none yet. */
  get variant(): string | null {
    return this.#variant
  }

  /** Scores with one variant from now on. The models of the others may be closed then. */
  settleFor(variant: string): void {
    const scorer = this.scorers.get(variant) as Scorer
    const step = { ...this.step, otherwise: variant, variants: null }
    this.#models = new StepModels(step, new Map([[variant, scorer]]))
    this.#variant = variant
  }

  /**
   * The rows may be reused once this resolves.
   * @throws TidemarkError `MODEL_FAILING` when a model without a fallback fails on all rows
   */
  async score(stepBatch: StepBatch): Promise<StepAnswer> {
    // An empty batch says nothing of a model.
    if (stepBatch.count === 0) return new GatheredAnswer(stepBatch, this.step)
    const batch = this.#adapted(stepBatch)
    const shares = this.#shareOut(batch).flatMap((share) => this.#inTime(share, batch.count))
    const asked = await Promise.all(
      shares.map(async (share) => ('answer' in share ? share : this.#ask(share, batch))),
    )
    return this.#together(batch, asked)
  }

  /** Gives the batch to the variant that suits it, if variants are chosen for each batch. */
  #adapted(batch: StepBatch): StepBatch {
    const { variants, latencyBudgetMs: budgetMs } = this.step
    if (variants?.adapt !== true || this.#variant !== null) return batch
    const { count } = batch
    const scorers = [...this.scorers.values()]
    const rule = soonEnough(scorers, { rows: count, budgetMs })
    for (const better of scorers.slice(0, rule)) better.passOver()
    return { ...batch, routes: new Uint8Array(count).fill(rule) }
  }

  #shareOut({ count, routes }: StepBatch): RowsOf[] {
    if (routes === undefined) return [{ model: this.#models.byRule(0), chosen: null }]
    const modelOf = (row: number) => this.#models.byRule(routes[row] as number)
    const rows = groupedBy(routes.subarray(0, count).keys(), modelOf)
    return [...rows].map(([model, chosen]) => {
      return { model, chosen: chosen.length === count ? null : chosen }
    })
  }

  /**
   * Splits the rows of a model: those that it can answer within the latency budget, and those that
   * go to the fallback at once, if the author says so.
   */
  #inTime({ model, chosen }: RowsOf, count: number): (RowsOf | ModelAnswer)[] {
    const { fallback } = this.#models
    const isSplit = this.step.fallback?.on.includes('budget') === true
    const { scorer } = model
    if (!isSplit || fallback === model || scorer.state !== 'open') return [{ model, chosen }]
    const all = numbersOf({ chosen }, count)
    const most = rowsWithin(scorer, { budgetMs: this.step.latencyBudgetMs, count: all.length })
    if (most === all.length) return [{ model, chosen }]
    const rest = noAnswer(model, all.slice(most), 'budget')
    if (most > 0) return [{ model, chosen: all.slice(0, most) }, rest]
    scorer.passOver()
    return [rest]
  }

  /** Asks a model for its rows; the breaker may pass over one with a fallback. */
  async #ask(rows: RowsOf, batch: StepBatch): Promise<ModelAnswer> {
    const { model, chosen } = rows
    const { fallback } = this.#models
    if (fallback === null || fallback === model) return this.#answerOf(rows, batch)
    // A hung or ended model answers at once, and says why.
    if (model.scorer.state !== 'open') return this.#answerOf(rows, batch)
    const { breaker } = model
    if (!breaker.permits()) return noAnswer(model, numbersOf(rows, batch.count), 'model-open')
    const asked = await this.#orFailing(rows, batch)
    const count = chosen?.length ?? batch.count
    if (asked.failures.size === count) breaker.failed(count)
    else breaker.succeeded()
    return asked
  }

  /** A model that fails on all rows has an answer too. */
  async #orFailing(rows: RowsOf, batch: StepBatch): Promise<ModelAnswer> {
    try {
      return await this.#answerOf(rows, batch)
    } catch (error) {
      if (!(error instanceof TidemarkError && error.code === 'MODEL_FAILING')) throw error
      return noAnswer(rows.model, numbersOf(rows, batch.count), 'model-failing')
    }
  }

  async #answerOf({ model, chosen }: RowsOf, batch: StepBatch): Promise<ModelAnswer> {
    const count = chosen?.length ?? batch.count
    const answer = await model.scorer.score(model.rowsOf(batch.rows, chosen), count, batch.yields)
    return { model, chosen, answer, failures: failuresOf(model, answer, count) }
  }

  async #together(batch: StepBatch, asked: readonly ModelAnswer[]): Promise<StepAnswer> {
    const answer = new GatheredAnswer(batch, this.step)
    const { fallback } = this.#models
    const missed = new Map<number, Failure>()
    for (const modelAnswer of asked) {
      answer.take(modelAnswer)
      for (const [modelRow, failure] of modelAnswer.failures) {
        const row = rowOf(modelAnswer, modelRow)
        answer.missed(row, failure.reason)
        if (fallback === null || modelAnswer.model === fallback) answer.fail(row, failure.error)
        else missed.set(row, failure)
      }
    }
    if (fallback !== null && missed.size > 0) await this.#fallBack(batch, missed, answer)
    return answer
  }

  async #fallBack(batch: StepBatch, missed: ReadonlyMap<number, Failure>, answer: GatheredAnswer) {
    const fallback = this.#models.fallback as StepModel
    const chosen: number[] = []
    for (const [row, { reason, error }] of missed) {
      const lacking = fallback.lacks(batch.rows, row)
      if (lacking === null) {
        answer.decide(row, this.#models.fallbackDecision(reason))
        chosen.push(row)
      } else answer.fail(row, bothFailed(error, `feature "${lacking}" is not finite`))
    }
    const again = await this.#orFailing({ model: fallback, chosen }, batch)
    answer.take(again)
    for (const [modelRow, { reason, error }] of again.failures) {
      const row = rowOf(again, modelRow)
      answer.missed(row, reason)
      answer.fail(row, bothFailed((missed.get(row) as Failure).error, error.message))
    }
  }
}

/** How many of `count` further rows a model can answer within a budget. */
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
