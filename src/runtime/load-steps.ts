import type { TidemarkError } from '../kernel/errors.ts'
import type { EvaluatorChoice, ModelUse } from '../scoring/load-model.ts'
import { ModelCache } from '../scoring/model-cache.ts'
import { type LoadedScorers, loadScorers } from '../scoring/models.ts'
import { ruleScorer } from '../scoring/rule-scorer.ts'
import type { Scorer } from '../scoring/scorer.ts'
import { StepScorer } from '../scoring/step-scorer.ts'
import type { Definition, ScoreStep } from '../topology/definition.ts'
import { isOnlyShadow, scoreStepsOf } from '../topology/graph.ts'
import { isRule, isTrained, type ScoringModel } from '../topology/models.ts'
import {
  choiceFaults,
  isChosen,
  type OperatorsVariants,
  type StepVariants,
  tryVariants,
  variantsToLoad,
} from './variants.ts'

/** What the operator chose of models. */
export interface ModelChoices {
  /** Model name → ONNX file. */
  readonly models: ReadonlyMap<string, string>
  /** Score step → the variant that scores. @default as the group has chosen */
  readonly variants?: OperatorsVariants
  /** What computes the models. @default 'auto' */
  readonly evaluator?: EvaluatorChoice
  /**
   * Whether what a start learns about models is kept for the next one, in the user's cache folder.
   * @default true
   */
  readonly cache?: boolean
  /**
   * Ignores latency budgets, so that a busy machine refuses no model, and chooses no other variant.
   * @default as the author says
   */
  readonly latencyBudget?: 'none'
  /**
   * Memory for all models together, bytes; of variants all count. A shadow that does not fit is
   * off. @default no limit
   */
  readonly maxModelBytes?: number | null
}

/** The models of the score steps of some topologies. */
export interface LoadedSteps {
  /** Score steps with variants, and which one was chosen. */
  readonly variants: readonly StepVariants[]
  readonly faults: readonly TidemarkError[]
  readonly notes: readonly string[]
  /** What the models take together, bytes. */
  readonly bytes: number
  /** What scores in a topology, by name of the step; only if there are no faults. */
  scorersOf(definition: Definition): ReadonlyMap<string, StepScorer>
  /** Frees the models. */
  close(): Promise<void>
}

/** Loads the models of all score steps. @param definitions with different names */
export async function loadSteps(
  definitions: readonly Definition[],
  choices: ModelChoices,
): Promise<LoadedSteps> {
  const { evaluator, cache, maxModelBytes } = choices
  const { variants: chosen = new Map<string, string>() } = choices
  const steps = definitions.flatMap((definition) =>
    scoreStepsOf(definition.then).map((step) => stepToLoad({ definition, step }, choices)),
  )
  const loaded = await loadScorers(
    steps.flatMap((step) => [...step.uses.values()]),
    filesOf(definitions, choices),
    {
      ...(evaluator && { evaluator }),
      ...(cache === false && { cache: new ModelCache(null) }),
      ...(maxModelBytes != null && { maxBytes: maxModelBytes }),
    },
  )
  const faults = [...loaded.faults, ...choiceFaults(definitions, chosen)]
  const variants: StepVariants[] = []
  // With faults nothing is loaded, and nothing is to be chosen.
  const choosing = loaded.faults.length > 0 ? [] : steps.filter(({ step }) => step.variants)
  for (const step of choosing) {
    const { scorers, failed } = ofStep(step, loaded)
    const found = tryVariants(step, { scorers, failed, chosen })
    if ('best' in found) variants.push(found)
    else faults.push(...found.faults)
  }
  const scorerOf = (step: StepToLoad) => stepScorer(step, ofStep(step, loaded).scorers)
  return {
    variants,
    faults,
    notes: loaded.notes,
    bytes: loaded.bytes,
    scorersOf: ({ name }) =>
      new Map(
        steps
          .filter(({ definition }) => definition.name === name)
          .map((step) => [step.step.name, scorerOf(step)]),
      ),
    close: async () => {
      await Promise.all([...loaded.scorers.values()].map((scorer) => scorer.close()))
    },
  }
}

/** A score step whose models are loaded. */
interface StepToLoad {
  readonly definition: Definition
  readonly step: ScoreStep
  readonly budgetMs: number
  /** By the models' names in the step. */
  readonly uses: ReadonlyMap<string, ModelUse>
}

function stepToLoad(
  { definition, step }: Pick<StepToLoad, 'definition' | 'step'>,
  { latencyBudget, variants: chosen = new Map<string, string>() }: ModelChoices,
): StepToLoad {
  const budgetMs = latencyBudget === 'none' ? Number.POSITIVE_INFINITY : step.latencyBudgetMs
  const where = `${definition.name}/${step.name}`
  const isVariant = step.variants !== null
  const models = isVariant
    ? variantsToLoad(step, chosen).map((model) => [model.name, model] as const)
    : deciding(step)
  const uses = models.flatMap(([name, model]): [string, ModelUse][] => {
    if (isRule(model)) return []
    const use: ModelUse = {
      step: `${where}/${name}`,
      where,
      model,
      missing: step.missing,
      latencyBudgetMs: budgetMs,
      hasFallback: step.fallback !== null && step.fallback.to !== name,
      mayFail: isVariant && !isChosen(step, chosen),
    }
    return [[name, use]]
  })
  return { definition, step, budgetMs, uses: new Map(uses) }
}

/** What was loaded of the trained models of a step, by their names in it. */
function ofStep({ uses }: StepToLoad, { scorers, failed }: LoadedScorers) {
  const own = <T>(of: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map(
      [...uses].flatMap(([name, { step: use }]): [string, T][] => {
        const found = of.get(use)
        return found === undefined ? [] : [[name, found]]
      }),
    )
  return { scorers: own(scorers), failed: own(failed) }
}

function stepScorer(
  { step, budgetMs }: StepToLoad,
  trained: ReadonlyMap<string, Scorer>,
): StepScorer {
  const own = { ...step, latencyBudgetMs: budgetMs }
  if (step.variants !== null) return new StepScorer(own, trained)
  const scorers = deciding(step).map(([name, model]): [string, Scorer] => [
    name,
    isRule(model) ? ruleScorer(name, model, step.features) : (trained.get(name) as Scorer),
  ])
  return new StepScorer(own, new Map(scorers))
}

/** The models that may decide about an event, by name. */
function deciding(step: ScoreStep): [string, ScoringModel][] {
  return Object.entries(step.models).filter(([name]) => !isOnlyShadow(step, name))
}

/** The files that the operator has chosen, without those of models that are only shadows. */
function filesOf(
  definitions: readonly Definition[],
  { models: files }: ModelChoices,
): ReadonlyMap<string, string> {
  const steps = definitions.flatMap(({ then }) => scoreStepsOf(then))
  const namesOf = (models: Iterable<ScoringModel>) =>
    new Set([...models].filter(isTrained).map(({ name }) => name))
  const shadows = namesOf(
    steps.flatMap((step) => step.shadows.flatMap(({ model }) => step.models[model] ?? [])),
  )
  const main = namesOf(steps.flatMap((step) => deciding(step).map(([, model]) => model)))
  return new Map([...files].filter(([name]) => main.has(name) || !shadows.has(name)))
}
