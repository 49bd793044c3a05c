import type { FieldPath } from '../columns/columns.ts'
import type { Definition } from '../topology/definition.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import { type PlannedStep, planOf } from './plan.ts'

// Which fields of the source's events a topology needs, derived from the source text of its
// functions.

/**
 * The fields of an event that functions pick, each once: both functions called with the event
 * itself and functions called with its score.
 */
export function wantedFields(definition: Definition): FieldPath[] {
  const { source } = definition
  const wanted = new Map<string, FieldPath>()
  const paths = [source.key, source.eventTimeMs].flatMap(picksOf)
  for (const path of [...paths, ...planOf(definition).flatMap(pathsIn)]) {
    if (path.length > 0) wanted.set(JSON.stringify(path), path)
  }
  return [...wanted.values()]
}

/** Fields of the source's events; after a model, an event is `{ event, score, … }`. */
function pathsIn({ step, rule, origin }: PlannedStep): FieldPath[] {
  if (origin === 'made') return []
  const functions = [...rule.functions(step)].filter(({ argument }) => argument === 'event')
  const picks = functions.flatMap(({ of }) => picksOf(of))
  if (origin === 'source') return picks
  return picks.flatMap(([first, ...path]) => (first === 'event' ? [path] : []))
}

function picksOf(of: unknown): FieldPath[] {
  if (!isFunction(of)) return []
  const reading = readFunction(of)
  return 'why' in reading ? [] : picksIn(reading.expression)
}

function picksIn(expression: Expression): FieldPath[] {
  switch (expression.is) {
    case 'pick':
    case 'equals':
      return [expression.path]
    case 'object':
      return expression.fields.flatMap(([, field]) => picksIn(field))
    case 'literal':
      return []
  }
}

function isFunction(of: unknown): of is (...args: never[]) => unknown {
  return typeof of === 'function'
}
