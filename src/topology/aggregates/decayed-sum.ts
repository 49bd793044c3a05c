import type { DurationMs } from '../../kernel/time.ts'
import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Sum in which each value halves with every half-life since its event. */
export const decayedSum = {
  ...OF_NUMBERS,
  acceptsEmpty: false,
  parameter: {
    name: 'halfLifeMs',
    text: (halfLifeMs) => `half-life ${halfLifeMs} ms`,
    fault: (halfLifeMs: DurationMs) =>
      Number.isInteger(halfLifeMs) && halfLifeMs > 0
        ? null
        : `half-life ${halfLifeMs} ms must be a whole number above 0`,
  },
  needs: ['decay'],
  value: (reached, { column, parameter }) => reached.decayed(column, parameter),
} as const satisfies AggregateRule
