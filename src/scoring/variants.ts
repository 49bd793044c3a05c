import { formatDuration } from '../kernel/time.ts'
import type { Variant } from '../topology/graph.ts'
import { measureOf } from '../topology/models.ts'
import type { Scorer } from './scorer.ts'

// Variants: models for the same task, of which the most accurate one that is fast enough scores.

/** Rows of the batch that a variant must score within the budget. */
export const BATCH = 32

/** What a start has found about a variant. */
export interface TriedVariant {
  readonly model: Variant
  /** `null`: it is not loaded. */
  readonly scorer: Pick<Scorer, 'answerMs'> | null
  /** Why not. @default it is loaded */
  readonly why?: string
}

/**
 * The variant that scores: the first that would score a batch of {@link BATCH} rows within the
 * budget.
 *
 * @param variants the most accurate first
 * @returns `null`: none would
 */
export function chooseVariant(
  variants: readonly TriedVariant[],
  budgetMs: number,
): TriedVariant | null {
  const isFastEnough = ({ scorer }: TriedVariant) =>
    scorer !== null && scorer.answerMs(BATCH) <= budgetMs
  return variants.find(isFastEnough) ?? null
}

/**
 * Which of some scorers to ask now, by index: the first that would answer within the budget, or
 * else the one that would answer soonest.
 *
 * @param call how many rows it would be asked for, and within how many ms
 */
export function soonEnough(
  scorers: readonly Pick<Scorer, 'answerMs'>[],
  { rows, budgetMs }: { readonly rows: number; readonly budgetMs: number },
): number {
  const times = scorers.map((scorer) => scorer.answerMs(rows))
  const first = times.findIndex((ms) => ms <= budgetMs)
  return first === -1 ? times.indexOf(Math.min(...times)) : first
}

/** `card-mlp@1 (auc 0.93): 1 row 0.12 ms, 32 rows 1.4 ms`, or why it is out. */
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
