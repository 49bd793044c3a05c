import { TidemarkError } from '../kernel/errors.ts'
import { Share } from '../kernel/shares.ts'
import type { Events, Reader } from '../plan/events.ts'
import type { RouteDefinition, ScoreStep } from '../topology/definition.ts'
import { fieldsRead } from '../topology/function-source.ts'
import type { Dictionary } from './dictionary.ts'
import { EventView } from './event-view.ts'
import { kindOf, threw } from './faults.ts'
import { FeatureView } from './feature-view.ts'

/** An event of which the rules decide. */
export interface RoutedEvent {
  readonly events: Events
  readonly index: number
  /** The number of its key. */
  readonly key: number
  readonly timeMs: number
}

interface Rule {
  readonly name: string
  readonly share: Share | null
  readonly holds: ((event: RoutedEvent, view: FeatureView) => boolean) | null
}

/** The rules of a score step: which of them holds for an event. */
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

  /**
   * The number of the first rule that holds; the number of rules: none does. The features are those
   * of {@link view}.
   */
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

/** A promise, or anything else that is no boolean, would hold for every event. */
function noCondition(step: string, got: unknown): TidemarkError {
  const what = `step "${step}" must return true or false, got ${kindOf(got)}`
  return new TidemarkError('FUNCTION_THREW', what)
}

/**
 * The condition of a rule. An event is made into an object only for a function that may read any
 * field of it.
 */
function holdsOf({ when }: RouteDefinition, reader: Reader): Rule['holds'] {
  if (when === null) return null
  const fields = fieldsRead(when, 0)
  if (fields === null) {
    return ({ events, index, timeMs }, { features }) => when(events.at(index), features, timeMs)
  }
  const view = new EventView(fields, reader)
  return ({ events, index, timeMs }, { features }) => {
    view.move(events, index)
    return when(view.event, features, timeMs)
  }
}
