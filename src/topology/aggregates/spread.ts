import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Population variance (divides by n). */
export const variance = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.variance(column),
} as const satisfies AggregateRule

/** Population standard deviation (divides by n). */
export const std = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => Math.sqrt(reached.variance(column)),
} as const satisfies AggregateRule
