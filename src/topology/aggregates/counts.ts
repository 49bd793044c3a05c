import type { AggregateRule } from './rule.ts'

/** Number of events. */
export const count = {
  columns: [],
  cells: [],
  acceptsEmpty: false,
  needs: [],
  value: (reached) => reached.count,
} as const satisfies AggregateRule

/** Events per second. */
export const rate = {
  columns: [],
  cells: [],
  acceptsEmpty: false,
  needs: [],
  value: (reached, { lengthSeconds }) => reached.count / lengthSeconds,
} as const satisfies AggregateRule

/** Number of events whose boolean is true. */
export const countWhere = {
  columns: ['column'],
  cells: ['boolean'],
  acceptsEmpty: false,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column),
} as const satisfies AggregateRule

/** Fraction of the events whose boolean is true, 0 to 1. */
export const share = {
  columns: ['column'],
  cells: ['boolean'],
  acceptsEmpty: true,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column) / reached.count,
} as const satisfies AggregateRule

/** Exact number of different strings. */
export const distinct = {
  columns: ['column'],
  cells: ['string'],
  acceptsEmpty: false,
  needs: ['links'],
  value: (reached, { column }) => reached.distinct(column),
} as const satisfies AggregateRule
