import type { Definition, FeaturesStep, Step } from '../topology/definition.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import type { FieldPath } from './columns.ts'

// What a topology needs of each event of its source, told from the sources of its functions.

/** The fields that functions pick of an event: those that are given it, and those that are given its score. Each once. */
export function wantedFields({ source, then }: Definition): FieldPath[] {
  const wanted = new Map<string, FieldPath>()
  for (const path of pathsIn([source.key, source.eventTimeMs], then)) {
    if (path.length > 0) wanted.set(JSON.stringify(path), path)
  }
  return [...wanted.values()]
}

type AnyFunction = (...args: never[]) => unknown

function* pathsIn(ofSource: readonly AnyFunction[], then: readonly Step[]): Generator<FieldPath> {
  for (const of of ofSource) yield* picksOf(of)
  for (const step of then) {
    if (step.op === 'where') yield* pathsIn([step.keep], step.then)
    else if (step.op === 'map') yield* picksOf(step.to)
    else if (step.op === 'tumbling') yield* pathsIn(Object.values(step.columns), [])
    else if (step.op === 'features') yield* pathsInFeatures(step)
  }
}

function* pathsInFeatures({ kinds, features, then }: FeaturesStep): Generator<FieldPath> {
  for (const { is, columns } of kinds) {
    yield* pathsIn([...(is === null ? [] : [is]), ...Object.values(columns)], [])
  }
  for (const feature of features) {
    if (feature.from === 'value') yield* picksOf(feature.of)
    else if (feature.from === 'lookup') yield* picksOf(feature.key)
  }
  yield* pathsBeforeModels(then)
}

/** Conditions before a model are given the event, what comes behind it `{ event, score, … }`. */
function* pathsBeforeModels(then: readonly Step[]): Generator<FieldPath> {
  for (const step of then) {
    if (step.op === 'where') {
      yield* picksOf(step.keep)
      yield* pathsBeforeModels(step.then)
    } else if (step.op === 'score') yield* pathsBehindModel(step.then)
  }
}

function* pathsBehindModel(then: readonly Step[]): Generator<FieldPath> {
  for (const step of then) {
    if (step.op !== 'map') continue
    for (const [first, ...path] of picksOf(step.to)) if (first === 'event') yield path
  }
}

function picksOf(of: AnyFunction): FieldPath[] {
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
