import { TidemarkError } from '../../kernel/errors.ts'
import { isShare, SHARES, Share } from '../../kernel/shares.ts'
import type { RouteCondition, ScoreStep } from '../../topology/definition.ts'
import { threw, typeNameOf } from '../faults.ts'
import type { Dictionary } from '../store/dictionary.ts'
import {
  type ConditionMoment,
  checkFeaturesRead,
  FeatureView,
  firstArgument,
} from './conditions.ts'
import type { OperatorContext, ReportFault, ReportFieldFault, StepInput } from './rule.ts'

interface RoutedEvent extends ConditionMoment {
  readonly key: number
  readonly timeMs: number
}

interface RouteRule {
  readonly name: string
  readonly share: Share | null
  readonly holds: ((event: RoutedEvent) => boolean) | null
}

export class Routes {
  readonly view: FeatureView
  readonly #step: string
  readonly #rules: readonly RouteRule[]
  readonly #keys: Dictionary

  constructor(
    { name, routes, features, carry = [] }: ScoreStep,
    { input, keys }: Pick<OperatorContext, 'input' | 'keys'>,
  ) {
    this.view = new FeatureView(features, carry)
    this.#step = name
    this.#keys = keys
    this.#rules = routes.map((route) => {
      const share = route.share === null ? null : new Share(route.name, route.share)
      return { name: route.name, share, holds: route.when && holdsOf(route.when, input) }
    })
  }

  /** The first rule that holds for an event; the number of rules: none does. */
  decide(event: RoutedEvent): number | TidemarkError {
    for (let r = 0; r < this.#rules.length; r++) {
      const { name, share, holds } = this.#rules[r] as RouteRule
      try {
        const isHeld: unknown = holds === null || holds(event)
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

/** A promise, or another value that is not a boolean, would hold for every event. */
export function noCondition(step: string, got: unknown): TidemarkError {
  const message = `step "${step}" must return true or false, got ${typeNameOf(got)}`
  return new TidemarkError('FUNCTION_THREW', message)
}

function holdsOf(when: RouteCondition, input: StepInput): RouteRule['holds'] {
  const first = firstArgument(when, input)
  return (event) => when(first(event), event.features, event.timeMs)
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
  const features = [...step.features, ...(step.carry ?? [])]
  if (routes.length > MOST_ROUTES) report(name, `it has more than ${MOST_ROUTES} rules`)
  for (const [i, { name: route, to, when, share }] of routes.entries()) {
    const tell: ReportFieldFault = (message, o) => report(`${name}.${route}`, message, o)
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
      tell(`when must be a function, got ${typeof when}`)
    }
    checkFeaturesRead(when, features, tell)
    if (when === null && share === null) tell('it has neither when nor share')
  }
}

export function badShare(where: string, share: number, report: ReportFault): void {
  report(where, `share ${share} must be a number of 1/${SHARES} from 0 to 1`)
}
