import type { FieldPath } from '../columns/columns.ts'
import { arithmeticOf } from '../topology/arithmetic.ts'
import type { Definition } from '../topology/definition.ts'
import { pathsIn, readFunction } from '../topology/function-reading.ts'
import type { FunctionPlace } from './operators/rule.ts'
import { type PlannedStep, planOf } from './plan.ts'

/** An author's function, at the first place where a topology uses it. */
export interface AuthorFunction extends Place {
  readonly of: (...args: never[]) => unknown
}

interface Place extends FunctionPlace {
  /** `null`: the source or a table has it. */
  readonly step: string | null
}

export function authorFunctions(definition: Definition): AuthorFunction[] {
  const functions = new Map<unknown, AuthorFunction>()
  for (const place of placesIn(definition)) {
    const { of: code } = place
    if (isFunction(code) && !functions.has(code)) functions.set(code, { ...place, of: code })
  }
  return [...functions.values()]
}

function* placesIn(definition: Definition): Generator<Place> {
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

export interface FunctionReading {
  readonly where: string
  /** `null`: the source has it. */
  readonly step: string | null
  /** `compiled`: computed from its source text, never called · `called`: gets an event object */
  readonly what: 'compiled' | 'called'
  /** Such as "it calls toFixed"; only where it is called. */
  readonly why?: string
}

/**
 * How each function on events, or of derived features, is run, once each. Not a part of a
 * {@link describe | description}, which is hashed: how a function is run does not change its result.
 */
export function functionReadings(definition: Definition): FunctionReading[] {
  return authorFunctions(definition)
    .filter(({ argument }) => argument === 'event' || argument === 'unrounded')
    .map(({ where, step, argument, of: code }) => {
      const reading = argument === 'event' ? readFunction(code) : arithmeticOf(code, (name) => name)
      if ('why' in reading) return { where, step, what: 'called', why: reading.why }
      return { where, step, what: 'compiled' }
    })
}

/** The fields of the source's events that functions pick, each once, from their source text. */
export function wantedFields(definition: Definition): FieldPath[] {
  const { source } = definition
  const wanted = new Map<string, FieldPath>()
  const paths = [source.key, source.eventTimeMs].flatMap(picksOf)
  for (const path of [...paths, ...planOf(definition).flatMap(picksAt)]) {
    if (path.length > 0) wanted.set(JSON.stringify(path), path)
  }
  return [...wanted.values()]
}

/** After a model, an event is `{ event, score, … }`; after features, for some steps too. */
function picksAt({ step, rule, place: { events } }: PlannedStep): FieldPath[] {
  if (events === 'made') return []
  const functions = [...rule.functions(step)].filter(({ argument }) => argument === 'event')
  const picks = functions.flatMap(({ of: code }) => picksOf(code))
  const isPlain = events === 'source' || (events === 'featured' && rule.takesFeatures !== true)
  if (isPlain) return picks
  return picks.flatMap(([first, ...path]) => (first === 'event' ? [path] : []))
}

function picksOf(code: unknown): FieldPath[] {
  if (!isFunction(code)) return []
  const reading = readFunction(code)
  return 'why' in reading ? [] : pathsIn(reading.expression)
}

function isFunction(value: unknown): value is AuthorFunction['of'] {
  return typeof value === 'function'
}
