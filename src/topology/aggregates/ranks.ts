import { type AggregateRule, OF_NUMBERS } from './rule.ts'

export const min = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.min(column),
} as const satisfies AggregateRule

export const max = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.max(column),
} as const satisfies AggregateRule

export const quantile = {
  ...OF_NUMBERS,
  parameter: {
    name: 'q',
    text: (q) => `${q}`,
    fault: (q) => (q >= 0 && q <= 1 ? null : `quantile ${q} must lie between 0 and 1`),
  },
  needs: ['order'],
  value: (reached, { column, parameter }) => reached.quantile(column, parameter),
} as const satisfies AggregateRule
