import type { ScoreStep } from '../topology/definition.ts'
import { isRule, outputsOf } from '../topology/models.ts'
import { columnNames } from './score-columns.ts'
import type { Scorer } from './scorer.ts'

/**
 * Why a fallback has scored a row, and whether the wall clock decided that. It decides which rows
 * share a batch, so also of which batch no row could be scored.
 */
const REASONS = {
  'score-failed': false,
  'score-not-finite': false,
  'model-failing': true,
  'model-open': true,
  'model-hung': true,
  'model-ended': true,
  budget: true,
} as const

/** Why a fallback has scored a row. */
export type FallbackReason = keyof typeof REASONS
/** What becomes of rows that are given to a model. */
export type AttemptOutcome = 'scored' | FallbackReason

/** The reasons for which also the last model may not have scored a row. */
const LAST_REASONS = ['score-failed', 'score-not-finite'] as const

const ALL_REASONS = Object.keys(REASONS) as FallbackReason[]

/** What decides about a row. */
export interface Decision {
  /** As in `s.route` and `tidemark-route`. */
  readonly route: string
  readonly scorer: Scorer
  /** Did the wall clock decide, so that a replay may decide otherwise? */
  readonly byClock: boolean
  /** What may become of the rows. */
  readonly outcomes: readonly AttemptOutcome[]
}

/** One of the models of a step. */
export class StepModel {
  readonly name: string
  readonly scorer: Scorer
  /**
   * For each of its columns, the column of the step's rows; `null`: it takes the rows as they are.
   */
  readonly #taken: readonly number[] | null
  /** The names of its numbers. */
  readonly columns: readonly string[]
  /** For each number of the step, which of its numbers that is. */
  readonly common: readonly number[]
  readonly #step: ScoreStep

  constructor(step: ScoreStep, name: string, scorer: Scorer) {
    const model = step.models[name]
    const taken = model === undefined || isRule(model) ? step.features : model.features
    const isWhole = taken.length === step.features.length && taken.every(isAt(step.features))
    this.name = name
    this.scorer = scorer
    this.#step = step
    this.#taken = isWhole ? null : taken.map((feature) => step.features.indexOf(feature))
    this.columns = columnNames(model === undefined ? step.outputs : outputsOf(model))
    this.common = columnNames(step.outputs).map((column) => this.columns.indexOf(column))
  }

  /**
   * The feature that keeps a row from it, since it is missing or infinite; `null`: none does. A
   * function decides itself what it does without one.
   */
  lacks(rows: Float32Array, row: number): string | null {
    const { models, features, missing } = this.#step
    const model = models[this.name]
    if (model === undefined || isRule(model)) return null
    const isUnfit = (feature: string) => {
      const value = rows[row * features.length + features.indexOf(feature)] as number
      return !Number.isFinite(value) && !(Number.isNaN(value) && missing === 'nan')
    }
    return model.features.find(isUnfit) ?? null
  }

  /**
   * Its own rows, in the order of `chosen`.
   *
   * @param rows those of the step
   * @param chosen numbers of rows; `null`: all of them
   */
  rowsOf(rows: Float32Array, chosen: readonly number[] | null): Float32Array {
    const width = this.#step.features.length
    if (chosen === null && this.#taken === null) return rows
    const numbers = chosen ?? Array.from({ length: rows.length / width }, (_, row) => row)
    const taken = this.#taken
    if (taken === null) {
      const own = new Float32Array(numbers.length * width)
      let to = 0
      for (const row of numbers) {
        // A subarray for each row would cost more than its few numbers.
        for (let from = row * width; from < (row + 1) * width; from++)
          own[to++] = rows[from] as number
      }
      return own
    }
    const own = new Float32Array(numbers.length * taken.length)
    let at = 0
    for (const row of numbers) {
      for (const column of taken) own[at++] = rows[row * width + column] as number
    }
    return own
  }
}

function isAt(names: readonly string[]) {
  return (name: string, i: number) => names[i] === name
}

/** The models of a step, and every decision that it can take. */
export class StepModels {
  /** By name. */
  readonly models: ReadonlyMap<string, StepModel>
  /**
   * By number: of each rule, of the events for which none holds, then those of the fallback. Of
   * variants of which none is chosen for all batches, one for each.
   */
  readonly decisions: readonly Decision[]
  /** `null`: there is none. */
  readonly fallback: StepModel | null
  readonly #byRule: readonly StepModel[]
  readonly #firstFallback: number

  constructor(step: ScoreStep, scorers: ReadonlyMap<string, Scorer>) {
    this.models = new Map(
      [...scorers].map(([name, scorer]) => [name, new StepModel(step, name, scorer)]),
    )
    const isAdapting = step.variants?.adapt === true
    const rules =
      step.variants === null
        ? [...step.routes, { name: step.otherwise, to: step.otherwise }]
        : [...scorers.keys()].map((to) => ({ name: isAdapting ? `variant:${to}` : to, to }))
    this.#byRule = rules.map(({ to }) => this.#model(to))
    const { fallback } = step
    this.fallback = fallback === null ? null : this.#model(fallback.to)
    this.#firstFallback = rules.length
    const byRule = rules.map(({ name, to }): Decision => {
      const isLast = this.fallback === null || to === fallback?.to
      const reasons = isLast ? LAST_REASONS : ALL_REASONS
      const outcomes = ['scored', ...reasons] as const
      return { route: name, scorer: this.#model(to).scorer, byClock: isAdapting, outcomes }
    })
    this.decisions = [...byRule, ...this.#fallbackDecisions()]
  }

  /** The model that a rule says. */
  byRule(rule: number): StepModel {
    return this.#byRule[rule] as StepModel
  }

  /** The number of the decision that the fallback scores. */
  fallbackDecision(reason: FallbackReason): number {
    return this.#firstFallback + ALL_REASONS.indexOf(reason)
  }

  #model(name: string): StepModel {
    return this.models.get(name) as StepModel
  }

  #fallbackDecisions(): Decision[] {
    const { fallback } = this
    if (fallback === null) return []
    return Object.entries(REASONS).map(([reason, byClock]) => {
      const outcomes = ['scored', ...LAST_REASONS, 'model-failing'] as const
      return { route: `fallback:${reason}`, scorer: fallback.scorer, byClock, outcomes }
    })
  }
}
