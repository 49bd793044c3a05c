import { functionReadings } from '../engine/author-functions.ts'
import { type PlannedStep, planOf } from '../engine/plan.ts'
import { type PreparedTopology, type StepVariants, scorersOf } from '../runtime/prepared.ts'
import { type Scorer, shownEvaluator } from '../scoring/scorer.ts'
import type { Definition } from '../topology/definition.ts'

// Prepared topologies as lines for people.

/**
 * `card-fraud  payments → 13 features → card-gbdt@1 → predictions  (dead letters: payments.dlq)`
 */
export function summaryOf({ definition, scorers }: PreparedTopology): string {
  const labelsOf = (all: ReadonlyMap<string, Scorer>) =>
    [...all.values()].map(({ label }) => label).join(' | ')
  const labels = new Map([...scorers].map(([step, scorer]) => [step, labelsOf(scorer.scorers)]))
  const ways = outline(definition, labels)
  const between = `\n  ${' '.repeat(definition.name.length + 2)}`
  return `${definition.name}  ${ways.join(between)}  (dead letters: ${definition.deadLetterTopic})`
}

/**
 * One path per sink: `payments → 13 features → card-gbdt@1 → predictions`.
 *
 * @param labels the labels of models, by the name of their score step; @default as declared
 */
export function outline(
  definition: Definition,
  labels: ReadonlyMap<string, string> = new Map(),
): string[] {
  const wordsFor = ({ step, rule }: PlannedStep) =>
    labels.get(step.name) ?? rule.display(step).outline ?? []
  const sinks = planOf(definition).filter(({ step, rule }) => rule.topic?.(step) !== undefined)
  return sinks.map((sink) =>
    [definition.source.topic, ...[...sink.way, sink].flatMap(wordsFor)].join(' → '),
  )
}

/** One line per model: `card-gbdt@2 is computed by its trees, in the worker`. */
export function evaluators(
  topologies: readonly Pick<PreparedTopology, 'scorers' | 'shadows'>[],
): string[] {
  const line = ({ label, evaluator }: Scorer, is: string) =>
    `${label} is ${is} by ${shownEvaluator(evaluator)}`
  const shadows = topologies.flatMap((topology) => topology.shadows)
  const lines = topologies.flatMap(scorersOf).map((scorer) => line(scorer, 'computed'))
  lines.push(...shadows.map(({ scorer }) => line(scorer, 'a shadow, computed')))
  return [...new Set(lines)]
}

/** For each score step with variants, which one this worker would choose, and its variants. */
export function variantLines(variants: readonly StepVariants[]): string[] {
  return variants.flatMap(({ topology, step, best, why, decides, lines }) => {
    const how =
      decides === 'batch'
        ? 'chosen for each batch by what is waiting'
        : `${best}, ${why}${decides === 'group' ? ', unless the group has chosen already' : ''}`
    return [`${topology}/${step}: ${how}`, ...lines.map((line) => `  ${line}`)]
  })
}

/**
 * One line per function that is not compiled, `called for each event: card-fraud.map (it calls
 * toFixed)`, and one on what to do about it.
 */
export function calledFunctions(
  topologies: readonly Pick<PreparedTopology, 'definition' | 'format'>[],
): string[] {
  const called = topologies.flatMap(({ definition, format }) => {
    const { name } = definition
    if (format.whyMade !== null) {
      const why = `its schema is not scanned: ${format.whyMade}`
      return [`called for each event: every function of ${name} (${why})`]
    }
    return functionReadings(definition)
      .filter(({ what: evaluation }) => evaluation === 'called')
      .map(({ where, why }) => `called for each event: ${name}.${where} (${why})`)
  })
  return called.length === 0 ? [] : [...called, HOW_TO_COMPILE]
}

const HOW_TO_COMPILE =
  'for these, each event is made into an object, which is slower; a function is compiled if it only reads fields, compares a field with ' +
  'a constant by === or !==, reads a time, or puts these into an object (in derive, if it only calculates), and if the schema only declares fields and their types'
