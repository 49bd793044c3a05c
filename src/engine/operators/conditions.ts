import type { Events } from '../../columns/events.ts'
import type { EventFunction, FeatureCondition, RouteCondition } from '../../topology/definition.ts'
import { fieldsRead } from '../../topology/function-source.ts'
import { type FeatureMatrix, type FoundRows, foundBy } from '../events.ts'
import type { ReportFieldFault, StepInput } from './rule.ts'

// Conditions behind features. Their first argument is the event, with the fields of a map's:
// `(e, features) => features.n > 1`, or `({ event, features }) => features.n > 1`.

const NONE_CARRIED = new Float64Array(0)

/** An event as a condition sees it. */
export interface ConditionMoment {
  readonly events: Events
  readonly index: number
  readonly features: Readonly<Record<string, number>>
  /** `null`: the features look nothing up. */
  readonly foundRows: FoundRows | null
}

type Get = (at: ConditionMoment) => unknown

const BESIDE: Readonly<Record<string, Get>> = {
  event: ({ events, index }) => events.at(index),
  features: ({ features }) => features,
  lookup: ({ index, foundRows }) => foundRows && foundBy(index, foundRows).lookup,
  degraded: ({ index, foundRows }) => foundRows?.degraded?.has(index),
}

/**
 * The fields beside the event's own that a condition reads. The event's own come first, as far as
 * its schema tells: a sender must not choose the features. Where it does not tell, a condition that
 * reads `event` alone reads the event's own.
 */
function besideRead(condition: RouteCondition, declares: StepInput['declares']): readonly string[] {
  const read = (fieldsRead(condition, 0) ?? []).filter((name) => Object.hasOwn(BESIDE, name))
  if (declares != null) return read.filter((name) => !declares(name))
  return read.some((name) => name !== 'event') ? read : []
}

/**
 * Makes a condition's first argument. A whole event is made only for a condition that may read any
 * of its fields.
 */
export function firstArgument(condition: RouteCondition, { reader, declares }: StepInput): Get {
  const fields = fieldsRead(condition, 0)
  if (fields === null) return ({ events, index }) => events.at(index)
  const beside = besideRead(condition, declares)
  let current: ConditionMoment | null = null
  // The same object for every event: it reads the current one.
  const view = {}
  for (const name of fields) {
    const read = reader.field(name)
    const readField: Get = ({ events, index }) => read.of(events, index)
    const readValue = beside.includes(name) ? (BESIDE[name] as Get) : readField
    const get = () => readValue(current as ConditionMoment)
    Object.defineProperty(view, name, { enumerable: true, get })
  }
  return (at) => {
    current = at
    return view
  }
}

export interface Condition {
  readonly readsFeatures: boolean
  /** May throw an author's error. */
  holds(events: Events, index: number, features: FeatureMatrix | null): boolean
}

/** Opens a condition that has no features but those of the event's row. */
export function openCondition(condition: FeatureCondition, input: StepInput): Condition {
  const { reader, features, declares } = input
  // A function whose source does not tell has as many parameters as it says.
  const takesFeatures = condition.length !== 1 && fieldsRead(condition, 1)?.length !== 0
  if (features === null || !(takesFeatures || besideRead(condition, declares).length > 0)) {
    const read = reader(condition as EventFunction<boolean>)
    return { readsFeatures: false, holds: (events, index) => read.of(events, index) }
  }
  const view = new FeatureView(features.names, [])
  const first = firstArgument(condition, input)
  return {
    readsFeatures: true,
    holds(events, index, columns) {
      const { rows, foundRows } = columns as FeatureMatrix
      view.move(rows, NONE_CARRIED, index)
      return condition(first({ events, index, features: view.features, foundRows }), view.features)
    },
  }
}

/** A feature that does not exist would be undefined, and its condition would never hold. */
export function checkFeaturesRead(
  condition: RouteCondition | null,
  features: readonly string[],
  tell: ReportFieldFault,
): void {
  const read = typeof condition === 'function' ? (fieldsRead(condition, 1) ?? []) : []
  const strange = read.filter((field) => !features.includes(field))
  const hint = `it is given ${features.join(', ') || 'none'}`
  if (strange.length > 0) tell(`there is no feature ${strange.join(', ')}`, { hint })
}

/**
 * Features of one event by name. The object is the same for every event and reads the row that it
 * was moved to.
 */
export class FeatureView {
  readonly features: Readonly<Record<string, number>>
  #rows: Float32Array = new Float32Array(0)
  #carried: Float64Array = new Float64Array(0)
  #row = 0

  /** @param names of a row's columns @param carried names of the features beside it */
  constructor(names: readonly string[], carried: readonly string[]) {
    const view = {}
    const define = (name: string, get: () => number | undefined) =>
      Object.defineProperty(view, name, { enumerable: true, get })
    for (const [column, name] of names.entries()) {
      define(name, () => this.#rows[this.#row * names.length + column])
    }
    for (const [column, name] of carried.entries()) {
      define(name, () => this.#carried[this.#row * carried.length + column])
    }
    this.features = view
  }

  move(rows: Float32Array, carried: Float64Array, row: number): void {
    this.#rows = rows
    this.#carried = carried
    this.#row = row
  }
}
