import type { Definition } from '../topology/definition.ts'
import { planOf } from './plan.ts'

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

/** Where a function may stand. */
type Place = Omit<AuthorFunction, 'of'> & { readonly of: unknown }

function isFunction(place: Place): place is AuthorFunction {
  return typeof place.of === 'function'
}

function* placesIn(definition: Definition): Generator<Place> {
  const { source, tables } = definition
  const ofSource = { step: null, takes: 'event' } as const
  yield { ...ofSource, where: `${source.topic}.key`, of: source.key }
  yield { ...ofSource, where: `${source.topic}.eventTimeMs`, of: source.eventTimeMs }
  for (const { name, key } of tables) {
    yield { step: null, takes: 'row', where: `${name}.key`, of: key }
  }
  for (const { step, rule } of planOf(definition)) {
    for (const place of rule.functions(step)) yield { ...place, step: step.name }
  }
}
