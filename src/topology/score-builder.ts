import {
  isRule,
  type OutputShape,
  outputsOf,
  type RouteDefinition,
  type ScoreStep,
  type ScoringModel,
  type ShadowDefinition,
} from './definition.ts'
import type { GivenModels, GivenRoute, GivenScore } from './given-score.ts'
import { latencyBudgetOf } from './latency-budgets.ts'
import { modelDefinition } from './model.ts'
import type { ModelVariants, ScoreOptions, Shadow } from './score-models.ts'
import { isOnlyShadow } from './shadows.ts'

// From what an author says of a score step to its definition. What types cannot check, and
// JavaScript may pass, is checked when a worker starts.

type GivenOptions = ScoreOptions<string>

/** A score step without the steps that follow it, and the name that it asks for. */
type ScoreFields = Omit<ScoreStep, 'then' | 'name'> & { readonly named: string }

/** @param defined the names of the features before the step, in the author's order */
export function scoreFields(
  given: GivenScore,
  o: GivenOptions,
  defined: readonly string[],
): ScoreFields {
  if ('models' in given) return { named: 'score', ...several(given, o, defined) }
  if ('variants' in given) return { named: 'score', ...variants(given, o, defined) }
  const model = modelDefinition(given)
  const alone = { models: { [model.name]: model }, otherwise: model.name }
  return { named: model.name, ...several(alone, o, defined) }
}

function several(
  { models, route = [], otherwise, fallback, fallbackOn = [], shadow = {} }: GivenModels,
  { carry, missing, latencyBudget }: GivenOptions,
  defined: readonly string[],
): Omit<ScoreFields, 'named'> {
  const decides = {
    routes: routesOf(route),
    otherwise,
    fallback: fallback === undefined ? null : { to: fallback, on: fallbackOn },
    shadows: Object.entries(shadow).map(([model, of]) => shadowOf(model, of)),
  }
  // A model that is only watched changes nothing of what is published.
  const modelsThat = (areWatched: boolean) =>
    Object.keys(models)
      .filter((name) => isOnlyShadow(decides, name) === areWatched)
      .map((name) => models[name] as ScoringModel)
  const published = modelsThat(false)
  return {
    op: 'score',
    models,
    features: columnsOfRow([...published, ...modelsThat(true)], defined, carry ?? []),
    outputs: commonOutputs(published),
    ...decides,
    variants: null,
    missing: missing ?? 'refuse',
    ...(carry && { carry }),
    ...latencyBudgetOf(latencyBudget),
  }
}

/** Until a worker has chosen, the first variant stands for all. */
function variants(
  { variants: given, budget, minAccuracy, adapt = false }: ModelVariants,
  o: GivenOptions,
  defined: readonly string[],
): Omit<ScoreFields, 'named'> {
  const models = given.map(modelDefinition)
  const byName = Object.fromEntries(models.map((model) => [model.name, model]))
  const otherwise = models[0]?.name ?? ''
  const step = several({ models: byName, otherwise }, { ...o, latencyBudget: budget }, defined)
  const names = models.map(({ name }) => name)
  return { ...step, variants: { names, minAccuracy: minAccuracy ?? null, adapt } }
}

/**
 * The first model's features, in its order, if every model takes these alone: then its rows need no
 * copying. Otherwise all features that are not carried, in the author's order.
 */
function columnsOfRow(
  models: readonly ScoringModel[],
  defined: readonly string[],
  carry: readonly string[],
): readonly string[] {
  const taken = defined.filter((name) => !carry.includes(name))
  const [first] = models
  if (first === undefined || isRule(first)) return taken
  const { features } = first
  const isAll = models.length === 1 || taken.every((name) => features.includes(name))
  return isAll ? features : taken
}

function commonOutputs([first, ...others]: readonly ScoringModel[]): ScoreStep['outputs'] {
  const all = first === undefined ? {} : outputsOf(first)
  const isCommon = ([name, { columns }]: [string, OutputShape]) =>
    others.every((other) => {
      const shape = outputsOf(other)[name]
      return shape !== undefined && String(shape.columns) === String(columns)
    })
  return Object.fromEntries(
    Object.entries(all)
      .filter(isCommon)
      .map(([name, { columns }]) => [name, columns === undefined ? {} : { columns }]),
  )
}

/** A rule without a name is called after its model. */
function routesOf(route: readonly GivenRoute[]): RouteDefinition[] {
  return route.map(({ to, name = to, when = null, share = null }) => ({ name, to, when, share }))
}

function shadowOf(model: string, { sink, share = 1 }: Shadow = {}): ShadowDefinition {
  return { model, sink: sink === undefined ? null : { name: sink, topic: sink }, share }
}
