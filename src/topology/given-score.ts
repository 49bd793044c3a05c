import type { RouteCondition, ScoringModel } from './definition.ts'
import type { Model } from './model.ts'
import type { ModelVariants, ScoreOptions, Shadow } from './score-models.ts'

// What `.score` can be called with. The types forbid anything else, but a worker does not check
// types, and a misspelt `route` would leave every event to another model without a word.

type OneModel = Model<readonly string[], unknown>

/** What `.score` can be called with. */
export type GivenScore = OneModel | GivenModels | ModelVariants

/** Several models, as `.score` gets them. */
export interface GivenModels {
  readonly models: Readonly<Record<string, ScoringModel>>
  readonly route?: readonly GivenRoute[]
  readonly otherwise: string
  readonly fallback?: string
  readonly fallbackOn?: readonly 'budget'[]
  readonly shadow?: Readonly<Record<string, Shadow>>
}

/** A rule, as `.score` gets it. */
export interface GivenRoute {
  readonly to: string
  readonly name?: string
  readonly when?: RouteCondition
  readonly share?: number
}

/** The keys of a type, all of them. */
type Keys<T> = Readonly<Record<keyof T & string, true>>

const MODELS: Keys<GivenModels> = {
  ...{ models: true, route: true, otherwise: true },
  ...{ fallback: true, fallbackOn: true, shadow: true },
}
const ROUTE: Keys<GivenRoute> = { to: true, name: true, when: true, share: true }
const SHADOW: Keys<Shadow> = { sink: true, share: true }
const VARIANTS: Keys<ModelVariants> = {
  ...{ variants: true, budget: true, minAccuracy: true, adapt: true },
}
const OPTIONS: Keys<ScoreOptions<string>> = { carry: true, missing: true, latencyBudget: true }

/** What keeps `.score` from being understood; empty: nothing does. */
export function givenFaults(given: unknown, options: unknown): string[] {
  return [...ofModels(given), ...unknownKeys('the second argument', options, OPTIONS)]
}

function ofModels(given: unknown): string[] {
  if (!isObject(given)) return [`it needs a model, got ${typeOf(given)}`]
  if ('of' in given) return ['it got a rule alone: name it, { models: { rules }, … }']
  if ('models' in given) return ofSeveral(given as unknown as GivenModels)
  if ('variants' in given) return ofVariants(given as unknown as ModelVariants)
  return 'name' in given && 'features' in given
    ? []
    : ['it needs a model, { models, … } or { variants, … }']
}

function ofVariants(given: ModelVariants): string[] {
  const { variants, budget, adapt = false }: Partial<Record<keyof ModelVariants, unknown>> = given
  const faults = unknownKeys('it', given, VARIANTS)
  if (Array.isArray(variants)) faults.push(...ofList(variants))
  else faults.push(notA('an array', 'variants', variants))
  if (typeof budget !== 'number')
    faults.push(notA('a duration, such as millis(20)', 'budget', budget))
  if (typeof adapt !== 'boolean') faults.push(notA('true or false', 'adapt', adapt))
  return faults
}

function ofList(variants: readonly unknown[]): string[] {
  return variants.flatMap((model, i) =>
    isObject(model) && 'features' in model ? [] : [notA('a model', `variants[${i}]`, model)],
  )
}

function ofSeveral(given: GivenModels): string[] {
  const { models, route = [], fallback, fallbackOn = [], shadow = {} } = given
  const faults = unknownKeys('it', given, MODELS)
  if (!isObject(models)) return [...faults, notA('an object', 'models', models)]
  for (const [name, model] of Object.entries(models)) {
    if (!isObject(model)) faults.push(notA('a model', `models.${name}`, model))
  }
  if (!Array.isArray(route)) faults.push(notA('an array', 'route', route))
  else {
    for (const [i, one] of route.entries()) faults.push(...ofRoute(`route[${i}]`, one))
  }
  const reasons: readonly unknown[] = Array.isArray(fallbackOn) ? fallbackOn : [fallbackOn]
  if (!Array.isArray(fallbackOn) || reasons.some((reason) => reason !== 'budget')) {
    faults.push(`fallbackOn must be ['budget'], got ${JSON.stringify(fallbackOn)}`)
  } else if (reasons.length > 0 && fallback === undefined) {
    faults.push('fallbackOn says when the fallback scores, and there is none')
  }
  if (!isObject(shadow)) return [...faults, notA('an object', 'shadow', shadow)]
  for (const [name, one] of Object.entries(shadow)) {
    faults.push(...unknownKeys(`shadow.${name}`, one, SHADOW))
  }
  return faults
}

function ofRoute(what: string, route: unknown): string[] {
  const faults = unknownKeys(what, route, ROUTE)
  const { when, share = 1 } = (route ?? {}) as { readonly when?: unknown; readonly share?: unknown }
  if (typeof share !== 'number') faults.push(notA('a number', `${what}.share`, share))
  const isAsync = typeof when === 'function' && when.constructor.name === 'AsyncFunction'
  if (isAsync) faults.push(`${what}.when must return true or false, and a promise is neither`)
  return faults
}

function unknownKeys(what: string, of: unknown, known: Readonly<Record<string, true>>): string[] {
  if (!isObject(of)) return [notA('an object', what, of)]
  const unknown = Object.keys(of).filter((key) => !Object.hasOwn(known, key))
  if (unknown.length === 0) return []
  return [`${what} has ${Object.keys(known).join(', ')}, but not ${unknown.join(', ')}`]
}

function notA(expected: string, what: string, got: unknown): string {
  return `${what} must be ${expected}, got ${typeOf(got)}`
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
