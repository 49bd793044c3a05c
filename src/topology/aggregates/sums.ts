import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Sum. */
export const sum = {
  ...OF_NUMBERS,
  acceptsEmpty: false,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column),
} as const satisfies AggregateRule

/** Arithmetic mean. */
export const mean = {
  ...OF_NUMBERS,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column) / reached.count,
} as const satisfies AggregateRule

/** Sum of one column divided by the sum of another; undefined if the latter is 0. */
export const ratio = {
  ...OF_NUMBERS,
  columns: ['column', 'over'],
  needs: ['sums'],
  value: (reached, { column, over, empty }) =>
    reached.isNothing(over) ? empty : reached.total(column) / reached.total(over),
} as const satisfies AggregateRule
