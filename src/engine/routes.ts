import type { Events, Reader } from '../columns/events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { Share } from '../kernel/shares.ts'
import type { RouteDefinition, ScoreStep } from '../topology/definition.ts'
import { fieldsRead } from '../topology/function-source.ts'
import { threw, typeNameOf } from './faults.ts'
import type { Dictionary } from './store/dictionary.ts'

interface RoutedEvent {
  readonly events: Events
  readonly index: number
  readonly key: number
  readonly timeMs: number
}

interface Rule {
  readonly name: string
  readonly share: Share | null
  readonly holds: ((event: RoutedEvent, view: FeatureView) => boolean) | null
}

export class Routes {
  readonly view: FeatureView
  readonly #step: string
  readonly #rules: readonly Rule[]
  readonly #keys: Dictionary

  constructor(
    { name, routes, features, carry = [] }: ScoreStep,
    { reader, keys }: { readonly reader: Reader; readonly keys: Dictionary },
  ) {
    this.view = new FeatureView(features, carry)
    this.#step = name
    this.#keys = keys
    this.#rules = routes.map((route) => ({
      name: route.name,
      share: route.share === null ? null : new Share(route.name, route.share),
      holds: holdsOf(route, reader),
    }))
  }

  /** The first rule that holds for an event and {@link view}; the number of rules: none does. */
  decide(event: RoutedEvent): number | TidemarkError {
    for (let r = 0; r < this.#rules.length; r++) {
      const { name, share, holds } = this.#rules[r] as Rule
      try {
        const isHeld: unknown = holds === null || holds(event, this.view)
        if (isHeld === false) continue
        if (isHeld !== true) return noCondition(`${this.#step}.${name}`, isHeld)
      } catch (cause) {
        return threw(cause, `${this.#step}.${name}`)
      }
      if (share === null || share.hasNumber(event.key, this.#keys)) return r
    }
    return this.#rules.length
  }
}

/** A promise, or another value that is no boolean, would hold for every event. */
function noCondition(step: string, got: unknown): TidemarkError {
  const what = `step "${step}" must return true or false, got ${typeNameOf(got)}`
  return new TidemarkError('FUNCTION_THREW', what)
}

/** An event object is made only for a function that may read any of its fields. */
function holdsOf({ when }: RouteDefinition, reader: Reader): Rule['holds'] {
  if (when === null) return null
  const fields = fieldsRead(when, 0)
  if (fields === null) {
    return ({ events, index, timeMs }, { features }) => when(events.at(index), features, timeMs)
  }
  let current: Pick<RoutedEvent, 'events' | 'index'> = { events: [], index: 0 }
  // The same object for every event: it reads the current one.
  const view = {}
  for (const name of fields) {
    const read = reader.field(name)
    const get = () => read.of(current.events, current.index)
    Object.defineProperty(view, name, { enumerable: true, get })
  }
  return (event, { features }) => {
    current = event
    return when(view, features, event.timeMs)
  }
}

/**
 * Features of one event by name. The object is the same for every event and reads the row that it
 * was moved to.
 */
export class FeatureView {
  readonly features: Readonly<Record<string, number>>
  readonly #width: number
  readonly #beside: number
  #rows: Float32Array = new Float32Array(0)
  #carried: Float64Array = new Float64Array(0)
  #row = 0

  /** @param names of a row's columns @param carried names of the features beside it */
  constructor(names: readonly string[], carried: readonly string[]) {
    this.#width = names.length
    this.#beside = carried.length
    const view = {}
    const define = (name: string, get: () => number | undefined) =>
      Object.defineProperty(view, name, { enumerable: true, get })
    for (const [column, name] of names.entries()) {
      define(name, () => this.#rows[this.#row * this.#width + column])
    }
    for (const [column, name] of carried.entries()) {
      define(name, () => this.#carried[this.#row * this.#beside + column])
    }
    this.features = view
  }

  move(rows: Float32Array, carried: Float64Array, row: number): void {
    this.#rows = rows
    this.#carried = carried
    this.#row = row
  }
}
