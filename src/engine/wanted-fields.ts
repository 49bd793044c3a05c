import type { FieldPath } from '../plan/columns.ts'
import type { Definition } from '../topology/definition.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import { type Planned, planOf } from './plan.ts'

// What a topology needs of each event of its source, told from the sources of its functions.

/**
 * The fields that functions pick of an event: those that are given it, and those that are given its
 * score. Each once.
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

/** Of the source's events; behind a model an event is `{ event, score, … }`. */
function pathsIn({ step, rule, given }: Planned): FieldPath[] {
  if (given === 'made') return []
  const functions = [...rule.functions(step)].filter(({ takes }) => takes === 'event')
  const picks = functions.flatMap(({ of }) => picksOf(of))
  if (given === 'source') return picks
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
