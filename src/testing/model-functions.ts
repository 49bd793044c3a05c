import { TidemarkError } from '../kernel/errors.ts'
import type { PreparedTopology } from '../runtime/prepare.ts'
import { NO_ROWS, type Scorer } from '../scoring/scorer.ts'
import { StepScorer } from '../scoring/step-scorer.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { scoreStepsOf } from '../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../topology/models.ts'

/**
 * Replaces a model: takes the features of one event and returns the model's outputs, by the names
 * that the topology reads them by.
 */
export type ModelFunction = (
  features: Readonly<Record<string, number>>,
) => Readonly<Record<string, number | Readonly<Record<string, number>>>>

/**
 * The same topology with functions in place of models, by model name.
 *
 * @throws TidemarkError `CONFIG_INVALID`: the topology has no such model
 */
export function withModelFunctions(
  prepared: PreparedTopology,
  functions: ReadonlyMap<string, ModelFunction>,
): PreparedTopology {
  const steps = scoreStepsOf(prepared.definition.then)
  const named = steps.flatMap(({ models }) =>
    Object.values(models)
      .filter(isTrained)
      .map(({ name }) => name),
  )
  for (const name of functions.keys()) {
    if (named.includes(name)) continue
    throw new TidemarkError('CONFIG_INVALID', `the topology has no model "${name}"`)
  }
  const replaced = ({ models }: ScoreStep, name: string, scorer: Scorer): Scorer => {
    const model = models[name]
    const answer = functions.get(scorer.name)
    const isReplaced = answer !== undefined && model !== undefined && isTrained(model)
    return isReplaced ? answeredBy(answer, model, scorer) : scorer
  }
  const scorers = new Map(
    steps.map((step) => {
      const own = prepared.scorers.get(step.name) as StepScorer
      const answered = [...own.scorers].map(([name, scorer]): [string, Scorer] => {
        return [name, replaced(step, name, scorer)]
      })
      return [step.name, new StepScorer(own.step, new Map(answered))]
    }),
  )
  const shadows = prepared.shadows.map((shadow) => {
    return { ...shadow, scorer: replaced(shadow.step, shadow.of.model, shadow.scorer) }
  })
  return { ...prepared, scorers, shadows }
}

function answeredBy(answer: ModelFunction, model: ModelDefinition, scorer: Scorer): Scorer {
  const { features } = model
  const columns = columnsOf(model)
  const { name, label, sha256, evaluator, size, maxBatch, state } = scorer
  return {
    ...{ name, label, sha256, evaluator, size, maxBatch, state },
    answerMs: () => 0,
    passOver: () => {},
    score: async (rows, count) => {
      const answers = Array.from({ length: count }, (_, row) => {
        const at = row * features.length
        return answer(Object.fromEntries(features.map((f, i) => [f, rows[at + i] as number])))
      })
      const scores = columns.map((column) =>
        Float64Array.from(answers, (a) => numberOf(a, column, name)),
      )
      return { columns: scores, failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
    },
    close: () => scorer.close(),
  }
}

/** An output of a model, or one of its columns. */
interface Column {
  readonly output: string
  readonly column: string | null
}

/** In the order in which a scorer returns them. */
function columnsOf({ outputs }: ModelDefinition): Column[] {
  return Object.entries(outputs).flatMap(([output, { columns }]): Column[] =>
    (columns ?? [null]).map((column) => ({ output, column })),
  )
}

function numberOf(
  answer: ReturnType<ModelFunction>,
  { output, column }: Column,
  model: string,
): number {
  const given = answer[output]
  const number = column !== null && typeof given === 'object' ? given[column] : given
  if (typeof number === 'number') return number
  const name = column === null ? output : `${output}.${column}`
  throw new TidemarkError('CONFIG_INVALID', `the function for ${model} returns no number "${name}"`)
}
