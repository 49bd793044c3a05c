import { called } from '../../columns/events.ts'
import type { MapStep } from '../../topology/definition.ts'
import type { OperatorRule } from './rule.ts'

/** Replaces each event by what a function returns for it. */
export const map: OperatorRule<MapStep> = {
  outcomes: { deadLetters: ['FUNCTION_THREW'] },

  display: ({ name }) => ({ shape: 'step', label: name, outline: null }),

  detail: ({ to }, print) => ({ to: print(to) }),

  *functions({ name, to }) {
    yield { where: name, argument: 'event', of: to }
  },

  open({ name, to, then }, open, { reader }) {
    const read = reader(to)
    const behind = open(then, called)
    return {
      *process(flow, run) {
        const made: unknown[] = new Array(flow.count)
        const indices = run.each(name, flow, (events, index) => {
          made[index] = read.of(events, index)
          return true
        })
        for (const operator of behind)
          yield* operator.process({ ...flow, indices, events: made }, run)
      },
    }
  },
}
