import { refuseIfAny } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import type { EvaluatorChoice } from './model-use.ts'
import { loadScorers } from './models.ts'
import type { Scorer } from './scorer.ts'

/** How a model without a topology is loaded. */
export interface SingleOptions {
  readonly evaluator: EvaluatorChoice
  /** The longest that one batch may take, ms; it bounds the batch size. */
  readonly latencyBudgetMs: number
}

/**
 * Loads a model without a topology as a worker would: checked against its golden rows, with the
 * evaluator, thread and row order that the worker would choose. Features may be missing.
 *
 * @throws Refused with the faults for which a worker would refuse it
 */
export async function loadSingle(
  model: ModelDefinition,
  { evaluator, latencyBudgetMs }: SingleOptions,
): Promise<{ scorer: Scorer; notes: readonly string[] }> {
  const use = { step: model.name, model, missing: 'nan', latencyBudgetMs } as const
  const { scorers, faults, notes } = await loadScorers([use], new Map(), { evaluator })
  refuseIfAny(faults)
  return { scorer: scorers.get(model.name) as Scorer, notes }
}
