import { TidemarkError } from '../../kernel/errors.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import { LATENCY_LIMITS } from '../../topology/latency-budgets.ts'
import type { OperatorRule } from './rule.ts'

const USES = Object.keys(LATENCY_LIMITS).join(', ')

/**
 * Runs a model. Its rows are written by the features step before it; its output continues to the
 * next steps when the model has returned.
 */
export const score: OperatorRule<ScoreStep> = {
  detail: ({ model, missing, carry, latencyBudgetMs, latency }) => ({
    model: `${model.name}@${model.version}`,
    sha256: model.sha256,
    features: model.features,
    outputs: model.outputs,
    missing,
    ...(carry && { carry }),
    latencyBudgetMs,
    ...(latency && { latency }),
  }),

  functions: () => [],

  check({ name, latencyBudgetMs }, _, report) {
    if (Number.isNaN(latencyBudgetMs))
      report(name, `latencyBudget must be a time or one of ${USES}`)
    else if (!(latencyBudgetMs > 0))
      report(name, `latencyBudget ${latencyBudgetMs} must be more than 0`)
  },

  open({ name }) {
    throw new TidemarkError('INVARIANT', `step "${name}" (score) follows no features step`)
  },
}
