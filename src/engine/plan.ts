import { called, type Reader } from '../plan/events.ts'
import type { Definition, ScoreStep, Step } from '../topology/definition.ts'
import { Dictionary } from './dictionary.ts'
import type { Around, Keeps, Operator, OperatorRule, Place } from './operators/rule.ts'
import { ruleOf } from './operators/table.ts'
import { StateUse } from './state-limits.ts'

// A topology as a list of its steps, each with all there is to say of it and of where it stands. It
// is made in one walk; what is asked of a topology goes over the list.

/**
 * What a step's events are: the source's · what a model answered of these, `{ event, score, … }` ·
 * something that was made.
 */
type Given = 'source' | 'scored' | 'made'

export interface Planned {
  readonly step: Step
  readonly rule: OperatorRule<Step>
  readonly place: Place
  readonly given: Given
  /** What it keeps; `null`: nothing. */
  readonly keeps: Keeps | null
  /** The steps on the way to it, from the source on. */
  readonly way: readonly Planned[]
}

/** Every step, each before those behind it. */
export function planOf(definition: Definition): readonly Planned[] {
  const all: Planned[] = []
  const walk = (then: readonly Step[], before: Planned | null) => {
    for (const step of then) {
      const planned = plannedOf(step, definition, before)
      all.push(planned)
      if (step.op !== 'sink') walk(step.then, planned)
    }
  }
  walk(definition.then, null)
  return all
}

function plannedOf(step: Step, definition: Definition, before: Planned | null): Planned {
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
  return { step, rule, place, given: givenTo(before), keeps, way }
}

function givenTo(before: Planned | null): Given {
  if (before === null) return 'source'
  const { op } = before.step
  if (op === 'map' || op === 'tumbling') return 'made'
  return op === 'score' && before.given === 'source' ? 'scored' : before.given
}

/** The steps behind a model, which keep nothing: they are called with what it answered. */
export function openBehindModel({ then }: ScoreStep): readonly Operator[] {
  const limits = { maxKeys: 0, maxBytes: 0 }
  const nothing = { lookup: () => new Map(), keys: new Dictionary(), use: new StateUse(limits) }
  return openAll(then, called, { ...nothing, onLate: 'drop', isWhole: true }).first
}

/**
 * Opens steps for one task, and all behind them. @param reader how functions of what comes to them
 * are asked
 */
export function openAll(
  then: readonly Step[],
  reader: Reader,
  around: Omit<Around, 'reader'>,
): { readonly first: readonly Operator[]; readonly all: readonly Operator[] } {
  const all: Operator[] = []
  const open = (steps: readonly Step[], here: Reader): readonly Operator[] =>
    steps.map((step) => {
      const at = all.length
      const operator = ruleOf(step).open(step, open, { ...around, reader: here })
      // Before those behind it.
      all.splice(at, 0, operator)
      return operator
    })
  return { first: open(then, reader), all }
}
