import type { Read, Reader } from '../../columns/events.ts'
import type { WhereStep } from '../../topology/definition.ts'
import { areWanted, type OperatorRule } from './rule.ts'

/** Keeps the events for which a condition is true. */
export const where: OperatorRule<WhereStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW'] },

  display: ({ name }) => ({ shape: 'choice', label: name, outline: name }),

  detail: ({ keep, branch }, print) =>
    branch === undefined
      ? { keep: print(keep) }
      : {
          noneOf: branch.noneOf.map(print),
          keep: branch.is === null ? 'the rest' : print(branch.is),
        },

  *functions({ name, keep, branch }) {
    yield { where: name, argument: 'event', of: branch === undefined ? keep : branch.is }
  },

  open(step, open, { input }) {
    const condition = conditionOf(step, input.reader)
    const behind = open(step.then, input)
    return {
      *process(batch, run) {
        const indices = run.each(step.name, batch, (events, i) => condition.of(events, i))
        for (const operator of behind) yield* operator.process({ ...batch, indices }, run)
      },
      wants: (events, i) => condition.of(events, i) && areWanted(behind, events, i),
    }
  },
}

/**
 * The conditions of a branch are evaluated one by one: combined they would be a function that the
 * author has not written.
 */
function conditionOf({ keep, branch }: WhereStep, reader: Reader): Read<boolean> {
  if (branch === undefined) return reader(keep)
  const noneOf = branch.noneOf.map((of) => reader(of))
  const is = branch.is === null ? null : reader(branch.is)
  return {
    of: (events, index) =>
      !noneOf.some((read) => read.of(events, index)) && (is === null || is.of(events, index)),
  }
}
