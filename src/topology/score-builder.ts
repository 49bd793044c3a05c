import type { ScoreStep, ShadowDefinition } from './definition.ts'
import { isOnlyShadow } from './graph.ts'
import {
  isRule,
  modelDefinition,
  type OutputShape,
  outputsOf,
  type ScoringModel,
} from './models.ts'
import type { DriftDefinition, ReuseDefinition } from './reuse.ts'
import {
  type AnyOnnxModel,
  latencyBudgetOf,
  type ModelVariants,
  type ScoreOptions,
  type SeveralModels,
  type Shadow,
} from './score-options.ts'

// The call `.score`: its check, and the step that it defines. Types forbid such mistakes,
// but a worker does not check types, and a misspelt `route` would leave every event to another
// model without a word.

export type GivenScore = AnyOnnxModel | GivenModels | ModelVariants
type GivenModels = SeveralModels<unknown, string, Readonly<Record<string, ScoringModel>>, unknown>
type GivenReuse = NonNullable<GivenModels['reuse']>
type GivenRoute = NonNullable<GivenModels['route']>[number]

type Keys<T> = Readonly<Record<keyof T & string, true>>

const MODELS: Keys<GivenModels> = {
  ...{ models: true, route: true, otherwise: true },
  ...{ fallback: true, fallbackOn: true, shadow: true, reuse: true },
}
const ROUTE: Keys<GivenRoute> = { to: true, name: true, when: true, share: true }
const SHADOW: Keys<Shadow> = { sink: true, share: true }
const REUSE_KEYS: Keys<GivenReuse> = {
  ...{ table: true, score: true, at: true },
  ...{ maxAge: true, unless: true, drift: true },
}
const DRIFT: Keys<NonNullable<GivenReuse['drift']>> = {
  ...{ features: true, threshold: true, adjust: true },
}
const VARIANTS: Keys<ModelVariants> = {
  ...{ variants: true, budget: true, minAccuracy: true, adapt: true },
}
const OPTIONS: Keys<ScoreOptions<string>> = { carry: true, missing: true, latencyBudget: true }

/** Why `.score` cannot be understood; empty: it can. */
export function givenFaults(choice: unknown, options: unknown): string[] {
  return [...ofModels(choice), ...unknownKeys('the second argument', options, OPTIONS)]
}

function ofModels(choice: unknown): string[] {
  if (!isObject(choice)) return [`it needs a model, got ${typeOf(choice)}`]
  if ('of' in choice) return ['it got a rule alone: name it, { models: { rules }, … }']
  if ('models' in choice) return ofSeveral(choice as unknown as GivenModels)
  if ('variants' in choice) return ofVariants(choice as unknown as ModelVariants)
  return 'name' in choice && 'features' in choice
    ? []
    : ['it needs a model, { models, … } or { variants, … }']
}

function ofVariants(choice: ModelVariants): string[] {
  const { variants, budget, adapt = false }: Partial<Record<keyof ModelVariants, unknown>> = choice
  return [
    ...unknownKeys('it', choice, VARIANTS),
    ...ofEach('variants', variants, (place, model) =>
      isObject(model) && 'features' in model ? [] : notA('a model', place, model),
    ),
    ...(typeof budget === 'number' ? [] : notA('a duration, such as millis(20)', 'budget', budget)),
    ...(typeof adapt === 'boolean' ? [] : notA('true or false', 'adapt', adapt)),
  ]
}

function ofSeveral(choice: GivenModels): string[] {
  const { models, route = [], fallback, fallbackOn = [], shadow = {} } = choice
  const faults = unknownKeys('it', choice, MODELS)
  if (!isObject(models)) return [...faults, ...notA('an object', 'models', models)]
  for (const [name, model] of Object.entries(models)) {
    if (!isObject(model)) faults.push(...notA('a model', `models.${name}`, model))
  }
  faults.push(...ofEach('route', route, ofRoute))
  const reasons: readonly unknown[] = Array.isArray(fallbackOn) ? fallbackOn : [fallbackOn]
  if (!Array.isArray(fallbackOn) || reasons.some((reason) => reason !== 'budget')) {
    faults.push(`fallbackOn must be ['budget'], got ${JSON.stringify(fallbackOn)}`)
  } else if (reasons.length > 0 && fallback === undefined) {
    faults.push('fallbackOn says when the fallback scores, and there is none')
  }
  if (choice.reuse !== undefined) faults.push(...ofReuse(choice.reuse))
  if (!isObject(shadow)) return [...faults, ...notA('an object', 'shadow', shadow)]
  const shadows = Object.entries(shadow)
  return [
    ...faults,
    ...shadows.flatMap(([name, options]) => unknownKeys(`shadow.${name}`, options, SHADOW)),
  ]
}

function ofReuse(reuse: unknown): string[] {
  const faults = unknownKeys('reuse', reuse, REUSE_KEYS)
  if (!isObject(reuse)) return faults
  const { table, drift } = reuse
  if (!isObject(table)) faults.push(...notA('a table', 'reuse.table', table))
  return drift === undefined ? faults : [...faults, ...unknownKeys('reuse.drift', drift, DRIFT)]
}

function ofRoute(place: string, route: unknown): string[] {
  const { when, share = 1 } = (route ?? {}) as { readonly when?: unknown; readonly share?: unknown }
  const isAsync = typeof when === 'function' && when.constructor.name === 'AsyncFunction'
  return [
    ...unknownKeys(place, route, ROUTE),
    ...(typeof share === 'number' ? [] : notA('a number', `${place}.share`, share)),
    ...(isAsync ? [`${place}.when must return true or false, and a promise is neither`] : []),
  ]
}

function ofEach(
  name: string,
  list: unknown,
  faultsOf: (place: string, entry: unknown) => string[],
): string[] {
  if (!Array.isArray(list)) return notA('an array', name, list)
  return list.flatMap((entry, i) => faultsOf(`${name}[${i}]`, entry))
}

function unknownKeys(place: string, part: unknown, keys: Readonly<Record<string, true>>): string[] {
  if (!isObject(part)) return notA('an object', place, part)
  const unknown = Object.keys(part).filter((key) => !Object.hasOwn(keys, key))
  if (unknown.length === 0) return []
  return [`${place} has ${Object.keys(keys).join(', ')}, but not ${unknown.join(', ')}`]
}

function notA(expected: string, place: string, got: unknown): string[] {
  return [`${place} must be ${expected}, got ${typeOf(got)}`]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}

/** A score step without the steps that follow it, and the name that it asks for. */
type ScoreFields = Omit<ScoreStep, 'then' | 'name'> & { readonly named: string }

/** @param defined names of the features before the step, in the author's order */
export function scoreFields(
  choice: GivenScore,
  o: ScoreOptions<string>,
  defined: readonly string[],
): ScoreFields {
  if ('models' in choice) return { named: 'score', ...severalFields(choice, o, defined) }
  const models = ('variants' in choice ? choice.variants : [choice]).map(modelDefinition)
  const names = models.map(({ name }) => name)
  // Until a worker has chosen, the first variant stands for all.
  const [first = ''] = names
  const byName = Object.fromEntries(models.map((model) => [model.name, model]))
  const several = { models: byName, otherwise: first }
  if (!('variants' in choice)) return { named: first, ...severalFields(several, o, defined) }
  const { budget, minAccuracy = null, adapt = false } = choice
  const step = severalFields(several, { ...o, latencyBudget: budget }, defined)
  return { named: 'score', ...step, variants: { names, minAccuracy, adapt } }
}

function severalFields(
  { models, route = [], otherwise, fallback, fallbackOn = [], shadow = {}, reuse }: GivenModels,
  { carry, missing, latencyBudget }: ScoreOptions<string>,
  defined: readonly string[],
): Omit<ScoreFields, 'named'> {
  const decides = {
    routes: route.map(({ to, name = to, when = null, share = null }) => ({
      name,
      to,
      when,
      share,
    })),
    otherwise,
    fallback: fallback === undefined ? null : { to: fallback, on: fallbackOn },
    shadows: Object.entries(shadow).map(([model, options]) => shadowOf(model, options)),
  }
  // A model that is only watched changes nothing that is published.
  const modelsThat = (areWatched: boolean) =>
    Object.keys(models)
      .filter((name) => isOnlyShadow(decides, name) === areWatched)
      .map((name) => models[name] as ScoringModel)
  const published = modelsThat(false)
  const features = columnsOfRow([...published, ...modelsThat(true)], defined, carry ?? [])
  return {
    op: 'score',
    models,
    features,
    outputs: commonOutputs(published),
    ...decides,
    reuse: reuse === undefined ? null : reuseDefinition(reuse, features),
    variants: null,
    missing: missing ?? 'refuse',
    ...(carry && { carry }),
    ...latencyBudgetOf(latencyBudget),
  }
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

function reuseDefinition(
  { table, score, at, maxAge, unless, drift }: GivenReuse,
  names: readonly string[],
): ReuseDefinition {
  const adjust = (drift?.adjust ?? null) as DriftDefinition['adjust']
  return {
    table: table.name,
    ...{ score, at, maxAgeMs: maxAge, unless: unless ?? null },
    drift: drift === undefined ? null : { ...drift, names, adjust },
  }
}

function shadowOf(model: string, { sink, share = 1 }: Shadow = {}): ShadowDefinition {
  return { model, sink: sink === undefined ? null : { name: sink, topic: sink }, share }
}
