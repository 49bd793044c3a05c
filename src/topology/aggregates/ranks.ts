import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Smallest value. */
export const min = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.min(column),
} as const satisfies AggregateRule

/** Largest value. */
export const max = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.max(column),
} as const satisfies AggregateRule

/** The q-quantile, interpolated; 0 ≤ q ≤ 1. */
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
