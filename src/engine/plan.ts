import { groupedBy } from '../kernel/grouped.ts'
import type { Definition, Step } from '../topology/definition.ts'
import { stepsAfter } from '../topology/graph.ts'
import type {
  OpenSteps,
  Operator,
  OperatorContext,
  OperatorRule,
  Retention,
  StepInput,
  StepPlace,
} from './operators/rule.ts'
import { operatorRuleOf } from './operators/table.ts'

// A topology as a list of its steps, from which everything about it is derived.

export interface PlannedStep {
  readonly step: Step
  readonly rule: OperatorRule<Step>
  readonly place: StepPlace
  readonly keeps: Retention | null
  readonly way: readonly PlannedStep[]
}

/** Every step, each before the steps that it feeds. */
export function planOf(definition: Definition): readonly PlannedStep[] {
  const planned = (then: readonly Step[], before: PlannedStep | null): PlannedStep[] =>
    then.flatMap((step) => {
      const here = plannedOf(step, definition, before)
      return [here, ...planned(stepsAfter(step), here)]
    })
  return planned(definition.then, null)
}

function plannedOf(step: Step, definition: Definition, before: PlannedStep | null): PlannedStep {
  const rule = operatorRuleOf(step)
  const keeps = rule.keeps?.(step) ?? null
  if (before === null) {
    const none = { behind: null, features: [], dropped: [], results: null }
    return { step, rule, place: { definition, events: 'source', ...none }, keeps, way: [] }
  }
  const place = before.rule.placeAfter?.(before.step, before.place) ?? before.place
  return { step, rule, place, keeps, way: [...before.way, before] }
}

/** Opens steps, and all steps after them, for one task. @param input the events that reach them */
export function openAll(
  then: readonly Step[],
  input: StepInput,
  context: Omit<OperatorContext, 'input'>,
): { readonly first: readonly Operator[]; readonly all: readonly Operator[] } {
  const all: Operator[] = []
  const open: OpenSteps = (steps, here) =>
    steps.map((step) => {
      const at = all.length
      const operator = operatorRuleOf(step).open(step, open, { ...context, input: here })
      all.splice(at, 0, operator)
      return operator
    })
  return { first: open(then, input), all }
}

/**
 * How far back a worker must read to restore a topology's windows: `lengthMs` behind the watermark,
 * +Infinity if something is remembered forever, as `unbounded` says by `step.feature`. Delays of
 * steps in sequence add up.
 */
export function horizonOf(definition: Definition) {
  const unbounded: string[] = []
  let longestMs = 0
  for (const { keeps, way } of planOf(definition)) {
    if (keeps === null) continue
    unbounded.push(...keeps.forEver)
    const delayMs = way.reduce((sum, before) => sum + (before.keeps?.delayMs ?? 0), 0)
    longestMs = Math.max(longestMs, delayMs + keeps.lengthMs)
  }
  return { lengthMs: unbounded.length > 0 ? Number.POSITIVE_INFINITY : longestMs, unbounded }
}

/** Whether anything is kept between events, be it only the watermark that finds them late. */
export function keepsState(definition: Definition): boolean {
  return planOf(definition).some(({ keeps }) => keeps !== null)
}

/**
 * Whether a topic is written before and after a tumbling step, or after two. A tumbling step's
 * results come some at a time, when the other steps have processed the whole chunk: such a topic
 * is in log order only if all output waits for the end of the chunk.
 */
export function sharesTopic(plan: readonly PlannedStep[]): boolean {
  const byTopic = groupedBy(plan, ({ step, rule }) => rule.topic?.(step))
  return [...byTopic.values()].some(
    (all) => new Set(all.map(({ place }) => place.results)).size > 1,
  )
}
