import type { StepAnswer } from '../../src/scoring/step-answer.ts'
import type { Definition, ScoreStep } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'
import { isTrained, type ModelDefinition } from '../../src/topology/models.ts'
import { scoreFields } from '../../src/topology/score-builder.ts'

/** A step that scores with one model. */
export function modelStep(model: ModelDefinition, other: Partial<ScoreStep> = {}): ScoreStep {
  const { named, ...fields } = scoreFields(model, {}, model.features)
  return { ...fields, name: named, then: [], ...other }
}

/** The model of a step that has one. */
function modelIn({ models }: ScoreStep): ModelDefinition {
  const [model] = Object.values(models).filter(isTrained)
  if (model === undefined) throw new Error('the step has no trained model')
  return model
}

/** The model of a topology that has one. */
export function modelOf({ then }: Definition): ModelDefinition {
  for (const step of stepsOf(then)) if (step.op === 'score') return modelIn(step)
  throw new Error('a topology without a model')
}

/** The same step with its model changed. */
export function withModel(step: ScoreStep, change: Partial<ModelDefinition>): ScoreStep {
  const model = { ...modelIn(step), ...change }
  const { models, features, outputs, otherwise } = modelStep(model)
  return { ...step, models, features, outputs, otherwise }
}

/** The answer of a step for rows. @param faults by row @default none */
export function stepAnswer(
  columns: readonly Float64Array[],
  faults: StepAnswer['faults'] = new Map(),
): StepAnswer {
  const decided = new Uint8Array(columns[0]?.length ?? 0)
  return { columns, decided, faults, runs: [], attempts: [], runMs: 0 }
}
