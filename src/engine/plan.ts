import { type Reader, called } from '../columns/events.ts'
import type { Definition, ScoreStep, Step } from '../topology/definition.ts'
import { Dictionary } from './dictionary.ts'
import type {
  Operator,
  OperatorContext,
  OperatorRule,
  Retention,
  StepPlace,
} from './operators/rule.ts'
import { ruleOf } from './operators/table.ts'
import { StateUse } from './state-limits.ts'

// A topology as a list of its steps, each with its rule and its position. Made in one walk;
// everything that is derived from a topology iterates over this list.

/**
 * What the events of a step are: the source's events · those as a model passes them on, `{ event,
 * score, … }` · other objects, made by a step.
 */
type EventOrigin = 'source' | 'scored' | 'made'

/** A step with its rule and its position in the topology. */
export interface PlannedStep {
  readonly step: Step
  readonly rule: OperatorRule<Step>
  readonly place: StepPlace
  readonly origin: EventOrigin
  /** The state that it keeps between events; `null`: none. */
  readonly keeps: Retention | null
  /** The steps before it, from the source on. */
  readonly way: readonly PlannedStep[]
}

/** Lists every step, each before the steps that it feeds. */
export function planOf(definition: Definition): readonly PlannedStep[] {
  const all: PlannedStep[] = []
  const walk = (then: readonly Step[], before: PlannedStep | null) => {
    for (const step of then) {
      const planned = plannedOf(step, definition, before)
      all.push(planned)
      if (step.op !== 'sink') walk(step.then, planned)
    }
  }
  walk(definition.then, null)
  return all
}

function plannedOf(step: Step, definition: Definition, before: PlannedStep | null): PlannedStep {
  const rule = ruleOf(step)
  const { isScored, results } = before?.place ?? { isScored: false, results: null }
  const last = before?.step
  const place = {
    definition,
    isScored: isScored || last?.op === 'score',
    results: last?.op === 'tumbling' ? last : results,
  }
  const keeps = rule.keeps?.(step) ?? null
  const way = before === null ? [] : [...before.way, before]
  return { step, rule, place, origin: originOf(before), keeps, way }
}

function originOf(before: PlannedStep | null): EventOrigin {
  if (before === null) return 'source'
  const { op } = before.step
  if (op === 'map' || op === 'tumbling') return 'made'
  return op === 'score' && before.origin === 'source' ? 'scored' : before.origin
}

/** Opens the steps after a model. They keep no state and are called with the model's output. */
export function openBehindModel({ then }: ScoreStep): readonly Operator[] {
  const limits = { maxKeys: 0, maxBytes: 0 }
  const nothing = { lookup: () => new Map(), keys: new Dictionary(), use: new StateUse(limits) }
  return openAll(then, called, { ...nothing, onLate: 'drop', isWhole: true }).first
}

/**
 * Opens steps, and all steps after them, for one task.
 * @param reader how functions are evaluated on the events that reach these steps
 */
export function openAll(
  then: readonly Step[],
  reader: Reader,
  context: Omit<OperatorContext, 'reader'>,
): { readonly first: readonly Operator[]; readonly all: readonly Operator[] } {
  const all: Operator[] = []
  const open = (steps: readonly Step[], here: Reader): readonly Operator[] =>
    steps.map((step) => {
      const at = all.length
      const operator = ruleOf(step).open(step, open, { ...context, reader: here })
      // Before the steps that it feeds.
      all.splice(at, 0, operator)
      return operator
    })
  return { first: open(then, reader), all }
}
