import type { AggregateRule } from './rule.ts'

const OF_CELLS = {
  columns: ['column'],
  cells: ['number', 'string', 'boolean'],
  acceptsEmpty: true,
  givesCell: true,
  needs: [],
} as const

/** The cell of the event with the earliest event time. */
export const first = {
  ...OF_CELLS,
  value: (reached, { column }) => reached.oldest(column),
} as const satisfies AggregateRule

/** The cell of the event with the latest event time. */
export const last = {
  ...OF_CELLS,
  value: (reached, { column }) => reached.newest(column),
} as const satisfies AggregateRule
