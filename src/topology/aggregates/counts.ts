import type { AggregateRule } from './rule.ts'

export const count = {
  columns: [],
  cells: [],
  takesEmpty: false,
  needs: [],
  value: (reached) => reached.count,
} as const satisfies AggregateRule

export const rate = {
  columns: [],
  cells: [],
  takesEmpty: false,
  needs: [],
  value: (reached, { lengthSeconds }) => reached.count / lengthSeconds,
} as const satisfies AggregateRule

export const countWhere = {
  columns: ['column'],
  cells: ['boolean'],
  takesEmpty: false,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column),
} as const satisfies AggregateRule

export const share = {
  columns: ['column'],
  cells: ['boolean'],
  takesEmpty: true,
  needs: ['sums'],
  value: (reached, { column }) => reached.total(column) / reached.count,
} as const satisfies AggregateRule

export const distinct = {
  columns: ['column'],
  cells: ['string'],
  takesEmpty: false,
  needs: ['links'],
  value: (reached, { column }) => reached.distinct(column),
} as const satisfies AggregateRule
