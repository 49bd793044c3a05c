import { TidemarkError } from '../../kernel/errors.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import type { OperatorRule } from './rule.ts'

/** Asks a model. Its rows are written by the features step before it; what it answers goes on when it has. */
export const score: OperatorRule<ScoreStep> = {
  detail: ({ model, missing, latencyBudgetMs }) => ({
    model: `${model.name}@${model.version}`,
    sha256: model.sha256,
    features: model.features,
    outputs: model.outputs,
    missing,
    latencyBudgetMs,
  }),

  functions: () => [],

  check({ name, latencyBudgetMs }, _, report) {
    if (!(latencyBudgetMs > 0)) report(name, `latencyBudget ${latencyBudgetMs} must be more than 0`)
  },

  open({ name }) {
    throw new TidemarkError('INVARIANT', `step "${name}" (score) stands behind no features`)
  },
}
