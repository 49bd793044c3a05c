import type { Events, Reader } from '../columns/events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { isShare, SHARES, Share } from '../kernel/shares.ts'
import type { RouteCondition, RouteDefinition, ScoreStep } from '../topology/definition.ts'
import { fieldsRead } from '../topology/function-source.ts'
import { threw, typeNameOf } from './faults.ts'
import type { ReportFault } from './operators/rule.ts'
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
export function noCondition(step: string, got: unknown): TidemarkError {
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

/** A rule's number is one byte. */
const MOST_ROUTES = 200
/** Printable, and without quotes, which a graph could not show. */
const ROUTE_NAME = /^[^\p{C}"]{1,200}$/u
export const NAME_HINT =
  'a name is 1 to 200 characters without quotes, and begins with neither fallback:, variant: nor shadow.'

/** Names of other routes, and keys of shadows. */
const RESERVED = /^(fallback:|variant:|shadow\.)/

export function isRouteName(name: string): boolean {
  return ROUTE_NAME.test(name) && !RESERVED.test(name)
}

export function checkRoutes(step: ScoreStep, report: ReportFault): void {
  const { name, routes, otherwise } = step
  if (routes.length > MOST_ROUTES) report(name, `it has more than ${MOST_ROUTES} rules`)
  for (const [i, { name: route, to, when, share }] of routes.entries()) {
    if (routes.findIndex((r) => r.name === route) < i) {
      const hint = "give one of them a name: { to, name: 'big-spender', … }"
      report(name, `two rules are named "${route}"`, { hint })
    }
    if (!isRouteName(route)) {
      report(name, `a rule cannot be named ${JSON.stringify(route)}`, { hint: NAME_HINT })
    } else if (route === otherwise && to !== otherwise) {
      report(name, `rule "${route}" has the name of the model for all other events`)
    }
    if (share !== null && !isShare(share)) badShare(`${name}.${route}`, share, report)
    if (when !== null && typeof when !== 'function') {
      report(`${name}.${route}`, `when must be a function, got ${typeof when}`)
    }
    if (typeof when === 'function') checkFeatures(step, { route, when }, report)
    if (when === null && share === null) report(`${name}.${route}`, 'it has neither when nor share')
  }
}

/** A feature that does not exist would be undefined, and its rule would never hold. */
function checkFeatures(
  { name, features, carry = [] }: ScoreStep,
  { route, when }: { readonly route: string; readonly when: RouteCondition },
  report: ReportFault,
): void {
  const known = [...features, ...carry]
  const strange = (fieldsRead(when, 1) ?? []).filter((field) => !known.includes(field))
  if (strange.length === 0) return
  const hint = `it has ${known.join(', ')}`
  report(
    `${name}.${route}`,
    `when reads a feature that the step does not have: ${strange.join(', ')}`,
    { hint },
  )
}

export function badShare(where: string, share: number, report: ReportFault): void {
  report(where, `share ${share} must be a number of 1/${SHARES} from 0 to 1`)
}
