import type { ModelUse } from '../../scoring/load-model.ts'
import { ModelCache } from '../../scoring/model-cache.ts'
import { type LoadedScorers, loadScorers } from '../../scoring/models.ts'
import { ruleScorer } from '../../scoring/rule-scorer.ts'
import type { Scorer } from '../../scoring/scorer.ts'
import { StepScorer } from '../../scoring/step-scorer.ts'
import type { Definition, ScoreStep } from '../../topology/definition.ts'
import { isOnlyShadow, scoreStepsOf } from '../../topology/graph.ts'
import { isRule, isTrained, type ScoringModel } from '../../topology/models.ts'
import type { WorkerConfig } from '../config.ts'
import type { StepVariants } from '../prepared.ts'
import {
  choiceFaults,
  chosenVariant,
  type OperatorsVariants,
  tryVariants,
  type VariantStep,
  variantsToLoad,
} from './variants.ts'

type ModelChoices = Pick<
  WorkerConfig,
  'models' | 'variants' | 'evaluator' | 'providers' | 'cache' | 'maxModelBytes'
>

/** Loads the models of all score steps. @param definitions with different names */
export async function loadSteps(definitions: readonly Definition[], choices: ModelChoices) {
  const { evaluator, providers, cache, maxModelBytes } = choices
  const chosen = new Map(Object.entries(choices.variants))
  const steps = definitions.flatMap((definition) =>
    scoreStepsOf(definition.then).map((step): StepToLoad => {
      return { definition, step, uses: usesOf({ definition, step }, chosen) }
    }),
  )
  const all = steps.flatMap(({ uses }) => [...uses.values()])
  const loaded = await loadScorers(all, filesOf(steps, choices.models), {
    evaluator,
    providers,
    ...(!cache && { cache: new ModelCache(null) }),
    ...(maxModelBytes !== null && { maxBytes: maxModelBytes }),
  })
  const faults = [...loaded.faults, ...choiceFaults(definitions, chosen)]
  const variants: StepVariants[] = []
  // With faults nothing is loaded, and nothing is to be chosen.
  const choosing = loaded.faults.length > 0 ? [] : steps.filter(({ step }) => step.variants)
  for (const step of choosing) {
    const found = tryVariants(step, { ...loadedFor(step, loaded), chosen })
    if ('best' in found) variants.push(found)
    else faults.push(...found.faults)
  }
  return {
    variants,
    faults,
    notes: loaded.notes,
    bytes: loaded.bytes,
    /** The scorers of a topology, by name of the step; only if there are no faults. */
    scorersOf: ({ name }: Definition): ReadonlyMap<string, StepScorer> => {
      const placed = steps.filter(({ definition }) => definition.name === name)
      return new Map(placed.map((place) => [place.step.name, stepScorer(place, loaded)]))
    },
    close: async () => {
      await Promise.all([...loaded.scorers.values()].map((scorer) => scorer.close()))
    },
  }
}

interface StepToLoad extends VariantStep {
  /** By the models' names in the step. */
  readonly uses: ReadonlyMap<string, ModelUse>
}

function usesOf({ definition, step }: VariantStep, chosen: OperatorsVariants) {
  const where = `${definition.name}/${step.name}`
  const isVariant = step.variants !== null
  const models: [string, ScoringModel][] = isVariant
    ? variantsToLoad(step, chosen).map((model) => [model.name, model])
    : deciding(step)
  const mayFail = isVariant && chosenVariant(step, chosen) === undefined
  const uses = models.flatMap(([name, model]): [string, ModelUse][] => {
    if (isRule(model)) return []
    const use = {
      step: `${where}/${name}`,
      where,
      model,
      missing: step.missing,
      latencyBudgetMs: step.latencyBudgetMs,
      hasFallback: step.fallback !== null && step.fallback.to !== name,
      mayFail,
    }
    return [[name, use]]
  })
  return new Map(uses)
}

/** The trained models of a step that were loaded, or why not, by their names in it. */
function loadedFor({ uses }: StepToLoad, { scorers, failed }: LoadedScorers) {
  const chosen = <T>(models: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
    new Map(
      [...uses].flatMap(([name, { step: use }]): [string, T][] => {
        const found = models.get(use)
        return found === undefined ? [] : [[name, found]]
      }),
    )
  return { scorers: chosen(scorers), failed: chosen(failed) }
}

function stepScorer(place: StepToLoad, loaded: LoadedScorers): StepScorer {
  const { step } = place
  const trained = loadedFor(place, loaded).scorers
  if (step.variants !== null) return new StepScorer(step, trained)
  const scorers = deciding(step).map(([name, model]): [string, Scorer] => [
    name,
    isRule(model) ? ruleScorer(name, model, step.features) : (trained.get(name) as Scorer),
  ])
  return new StepScorer(step, new Map(scorers))
}

/** The models that may decide about an event, by name. */
function deciding(step: ScoreStep): [string, ScoringModel][] {
  return Object.entries(step.models).filter(([name]) => !isOnlyShadow(step, name))
}

/** The files that the operator has chosen, without those of models that are only shadows. */
function filesOf(steps: readonly StepToLoad[], files: WorkerConfig['models']) {
  const namesOf = (models: Iterable<ScoringModel>) =>
    new Set([...models].filter(isTrained).map(({ name }) => name))
  const shadows = namesOf(
    steps.flatMap(({ step }) => step.shadows.flatMap(({ model }) => step.models[model] ?? [])),
  )
  const main = namesOf(steps.flatMap(({ step }) => deciding(step).map(([, model]) => model)))
  return new Map(Object.entries(files).filter(([name]) => main.has(name) || !shadows.has(name)))
}
