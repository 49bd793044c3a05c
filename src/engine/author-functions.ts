import type { Definition } from '../topology/definition.ts'
import { planOf } from './plan.ts'

/** An author's function, at the first place where a topology uses it. */
export interface AuthorFunction {
  /** The place's name in notes: `payments.key`, `map`, `features.amount`. */
  readonly where: string
  /** Its step; `null`: it belongs to the source or to a table. */
  readonly step: string | null
  /**
   * Its first argument: an event, a row of a table, features, a record, or the key of a tombstone.
   */
  readonly argument: 'event' | 'row' | 'features' | 'record' | 'key'
  readonly of: (...args: never[]) => unknown
}

/** Every function that a topology's author wrote, once. */
export function authorFunctions(definition: Definition): AuthorFunction[] {
  const functions = new Map<unknown, AuthorFunction>()
  for (const found of placesIn(definition)) {
    if (isFunction(found) && !functions.has(found.of)) functions.set(found.of, found)
  }
  return [...functions.values()]
}

/** A place that may contain a function. */
type PossibleFunction = Omit<AuthorFunction, 'of'> & { readonly of: unknown }

function isFunction(place: PossibleFunction): place is AuthorFunction {
  return typeof place.of === 'function'
}

function* placesIn(definition: Definition): Generator<PossibleFunction> {
  const { source, tables } = definition
  const ofSource = { step: null, argument: 'event' } as const
  yield { ...ofSource, where: `${source.topic}.key`, of: source.key }
  yield { ...ofSource, where: `${source.topic}.eventTimeMs`, of: source.eventTimeMs }
  const { format, onTombstone } = source
  if (format.is === 'decode') {
    yield { step: null, argument: 'record', where: `${source.topic}.decode`, of: format.decode }
  }
  yield { step: null, argument: 'key', where: `${source.topic}.onTombstone`, of: onTombstone }
  for (const { name, key, asOf } of tables) {
    yield { step: null, argument: 'row', where: `${name}.key`, of: key }
    yield { step: null, argument: 'row', where: `${name}.asOf`, of: asOf }
  }
  for (const { step, rule } of planOf(definition)) {
    for (const place of rule.functions(step)) yield { ...place, step: step.name }
  }
}
