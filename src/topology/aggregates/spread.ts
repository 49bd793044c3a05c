import { type AggregateRule, OF_NUMBERS } from './rule.ts'

export const variance = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.variance(column),
} as const satisfies AggregateRule

export const std = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => Math.sqrt(reached.variance(column)),
} as const satisfies AggregateRule
