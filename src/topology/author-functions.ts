import {
  type Definition,
  type FeaturesStep,
  type KindDefinition,
  type Step,
  stepsOf,
} from './definition.ts'

/** One function of an author's, at the first place at which a topology has it. */
export interface AuthorFunction {
  /** As notes name it: `payments.key`, `map`, `features.amount`. */
  readonly where: string
  /** `null`: the source's, or a table's. */
  readonly step: string | null
  /** What it is given: an event, or a row of a table. */
  readonly takes: 'event' | 'row'
  readonly of: (...args: never[]) => unknown
}

/** Every function of a topology's author, once. */
export function authorFunctions(definition: Definition): AuthorFunction[] {
  const functions = new Map<unknown, AuthorFunction>()
  for (const found of placesIn(definition)) {
    if (isFunction(found) && !functions.has(found.of)) functions.set(found.of, found)
  }
  return [...functions.values()]
}

/** Where a function may stand: a branch's rest has none, nor what an author has left out. */
type Place = Omit<AuthorFunction, 'of'> & { readonly of: unknown }

function isFunction(place: Place): place is AuthorFunction {
  return typeof place.of === 'function'
}

function* placesIn({ source, tables, then }: Definition): Generator<Place> {
  const ofSource = { step: null, takes: 'event' } as const
  yield { ...ofSource, where: `${source.topic}.key`, of: source.key }
  yield { ...ofSource, where: `${source.topic}.eventTimeMs`, of: source.eventTimeMs }
  for (const { name, key } of tables) {
    yield { step: null, takes: 'row', where: `${name}.key`, of: key }
  }
  for (const step of stepsOf(then)) yield* placesInStep(step)
}

function* placesInStep(step: Step): Generator<Place> {
  const { name } = step
  const own = { step: name, takes: 'event', where: name } as const
  if (step.op === 'map') yield { ...own, of: step.to }
  else if (step.op === 'where') yield { ...own, of: step.branch ? step.branch.is : step.keep }
  else if (step.op === 'sink') yield { ...own, where: `${name}.key`, of: step.key }
  else if (step.op === 'features') yield* placesInFeatures(step)
  else if (step.op === 'tumbling') yield* placesInColumns(name, step.columns)
}

function* placesInFeatures({ name, kinds, features }: FeaturesStep): Generator<Place> {
  for (const { is, columns } of kinds) {
    yield { step: name, takes: 'event', where: `${name}.only`, of: is }
    yield* placesInColumns(name, columns)
  }
  for (const feature of features) {
    const own = { step: name, where: `${name}.${feature.name}` }
    if (feature.from === 'value') yield { ...own, takes: 'event', of: feature.of }
    if (feature.from !== 'lookup') continue
    yield { ...own, takes: 'event', of: feature.key }
    yield { ...own, takes: 'row', of: feature.of }
  }
}

function* placesInColumns(name: string, columns: KindDefinition['columns']): Generator<Place> {
  for (const [column, of] of Object.entries(columns)) {
    yield { step: name, takes: 'event', where: `${name}.${column}`, of }
  }
}
