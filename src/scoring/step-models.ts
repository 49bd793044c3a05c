import { CircuitBreaker } from '../kernel/circuit-breaker.ts'
import { formatDuration } from '../kernel/time.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { isFit, type Variant } from '../topology/graph.ts'
import { isRule, measureOf, outputsOf } from '../topology/models.ts'
import { columnNames, type Scorer } from './scorer.ts'

/**
 * Why a fallback scores a row, and whether the wall clock decided that. The clock decides which
 * rows share a batch, so also in which batch no row could be scored.
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

export type FallbackReason = keyof typeof REASONS
export type AttemptOutcome = 'scored' | FallbackReason

/** The reasons for which the last model may leave a row without a score too. */
const LAST_REASONS = ['score-failed', 'score-not-finite'] as const

const ALL_REASONS = Object.keys(REASONS) as FallbackReason[]

export interface Decision {
  /** The value of `s.route` and `tidemark-route`. */
  readonly route: string
  readonly scorer: Scorer
  /** Whether the wall clock decided, so that a replay may decide otherwise. */
  readonly byClock: boolean
  readonly outcomes: readonly AttemptOutcome[]
}

export class StepModel {
  readonly name: string
  readonly scorer: Scorer
  /** Counts rows, because a batch may be a single poison row. One with any score has not failed. */
  readonly breaker = new CircuitBreaker({
    overMs: 10_000,
    longestMs: 30_000,
    elapsedMs: () => performance.now(),
  })
  /** The features without which it cannot score a row. */
  readonly #needed: readonly string[]
  /** The step's column for each of its own. */
  readonly #taken: readonly number[]
  /** Whether it takes the step's rows as they are. */
  readonly #isWhole: boolean
  readonly columns: readonly string[]
  /** Its index of each number of the step. */
  readonly common: readonly number[]
  readonly #step: ScoreStep

  constructor(step: ScoreStep, name: string, scorer: Scorer) {
    const model = step.models[name]
    const trained = model === undefined || isRule(model) ? null : model
    this.#needed = trained?.features ?? []
    const taken = trained?.features ?? step.features
    this.name = name
    this.scorer = scorer
    this.#step = step
    this.#taken = taken.map((feature) => step.features.indexOf(feature))
    this.#isWhole =
      taken.length === step.features.length && this.#taken.every((column, i) => column === i)
    this.columns = columnNames(model === undefined ? step.outputs : outputsOf(model))
    this.common = columnNames(step.outputs).map((column) => this.columns.indexOf(column))
  }

  /**
   * The missing or infinite feature that keeps a row from the model; `null`: none. A function
   * decides itself how to go on without one.
   */
  lacks(rows: Float32Array, row: number): string | null {
    const { features } = this.#step
    const valueOf = (feature: string) =>
      rows[row * features.length + features.indexOf(feature)] as number
    return this.#needed.find((feature) => !isFit(this.#step, valueOf(feature))) ?? null
  }

  /** @param chosen row numbers; `null`: all */
  rowsOf(rows: Float32Array, chosen: readonly number[] | null): Float32Array {
    const width = this.#step.features.length
    if (chosen === null && this.#isWhole) return rows
    const numbers = chosen ?? Array.from({ length: rows.length / width }, (_, row) => row)
    const taken = this.#taken
    const modelRows = new Float32Array(numbers.length * taken.length)
    let at = 0
    for (const row of numbers) {
      for (const column of taken) modelRows[at++] = rows[row * width + column] as number
    }
    return modelRows
  }
}

export class StepModels {
  readonly models: ReadonlyMap<string, StepModel>
  /**
   * By number: one for each rule, for the events without one, then for each reason of the fallback.
   * Variants that are chosen for each batch have one each.
   */
  readonly decisions: readonly Decision[]
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

  byRule(rule: number): StepModel {
    return this.#byRule[rule] as StepModel
  }

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

// Variants: models for the same task, of which the most accurate one that is fast enough scores.

/** Rows of the batch that a variant must score within the budget. */
export const BATCH = 32

export interface TriedVariant {
  readonly model: Variant
  /** `null`: it is not loaded. */
  readonly scorer: Pick<Scorer, 'answerMs'> | null
  /** Why it is not loaded. @default it is */
  readonly why?: string
}

/**
 * The first variant that would score {@link BATCH} rows within the budget.
 * @param variants the most accurate first
 */
export function chooseVariant(
  variants: readonly TriedVariant[],
  budgetMs: number,
): TriedVariant | null {
  const isFastEnough = ({ scorer }: TriedVariant) =>
    scorer !== null && scorer.answerMs(BATCH) <= budgetMs
  return variants.find(isFastEnough) ?? null
}

/** The index of the first scorer that would answer within the budget, or else the soonest. */
export function soonEnough(
  scorers: readonly Pick<Scorer, 'answerMs'>[],
  { rows, budgetMs }: { readonly rows: number; readonly budgetMs: number },
): number {
  const times = scorers.map((scorer) => scorer.answerMs(rows))
  const first = times.findIndex((ms) => ms <= budgetMs)
  return first === -1 ? times.indexOf(Math.min(...times)) : first
}

/** A variant in words: `card-mlp@1 (auc 0.93): 1 row 0.12 ms, 32 rows 1.4 ms`, or why it is out. */
export function inWords({ model, scorer, why = '' }: TriedVariant, budgetMs: number): string {
  const { measure, value } = measureOf(model.accuracy)
  const variant = `${model.name}@${model.version} (${measure} ${value})`
  if (scorer === null) return `${variant}: ${why}`
  const ms = scorer.answerMs(BATCH)
  const times = `${variant}: 1 row ${shown(scorer.answerMs(1))}, ${BATCH} rows ${shown(ms)}`
  return ms <= budgetMs ? times : `${times}, longer than ${formatDuration(budgetMs)}`
}

function shown(ms: number): string {
  return ms < 10 ? `${Number(ms.toPrecision(2))} ms` : formatDuration(ms)
}
