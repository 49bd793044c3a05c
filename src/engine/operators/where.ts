import type { WhereStep } from '../../topology/definition.ts'
import { type Condition, checkFeaturesRead, openCondition } from './conditions.ts'
import { areWanted, type OperatorRule, passOn, type StepInput } from './rule.ts'

/** Keeps the events for which a condition is true. */
export const where: OperatorRule<WhereStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW', 'TIME_INVALID'] },

  display: ({ name }) => ({ shape: 'choice', label: name, outline: name }),

  detail: ({ keep, noneOf }, print) => ({
    ...(noneOf && { noneOf: noneOf.map(print) }),
    keep: keep === null ? 'the rest' : print(keep),
  }),

  *functions({ name, keep }) {
    yield { where: name, argument: 'event', of: keep }
  },

  check({ name, keep }, { features }, report) {
    checkFeaturesRead(keep, features, (message, o) => report(name, message, o))
  },

  open(step, open, { input }) {
    const keep = conditionOf(step, input)
    const behind = open(step.then, input)
    return {
      *process(batch, run) {
        const { features } = batch
        const indices = run.each(step.name, batch, (events, i) => keep.holds(events, i, features))
        yield* passOn(behind, { ...batch, indices }, run)
      },
      wants: (events, i) =>
        (keep.readsFeatures || keep.holds(events, i, null)) && areWanted(behind, events, i),
    }
  },
}

function conditionOf({ keep, noneOf = [] }: WhereStep, input: StepInput): Condition {
  // The conditions of a branch are evaluated one by one: combined they would be a function that the
  // author has not written.
  const none = noneOf.map((other) => openCondition(other, input))
  const condition = keep === null ? null : openCondition(keep, input)
  return {
    readsFeatures: [...none, condition].some((part) => part?.readsFeatures === true),
    holds: (events, index, columns) =>
      !none.some((part) => part.holds(events, index, columns)) &&
      (condition === null || condition.holds(events, index, columns)),
  }
}
