import type { WhereStep } from '../../topology/definition.ts'
import { conditionOf } from '../condition.ts'
import type { OperatorRule } from './rule.ts'

/** Keeps the events for which a condition is true. */
export const where: OperatorRule<WhereStep> = {
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

  open(step, open, { reader }) {
    const condition = conditionOf(step, reader)
    const behind = open(step.then, reader)
    return {
      *process(flow, run) {
        const indices = run.each(step.name, flow, (events, i) => condition.of(events, i))
        for (const operator of behind) yield* operator.process({ ...flow, indices }, run)
      },
    }
  },
}
