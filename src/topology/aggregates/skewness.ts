import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Of equal values there is none, as scipy has it. */
export const skewness = {
  ...OF_NUMBERS,
  needs: ['sums', 'powers'],
  value: (reached, { column, empty }) => {
    const { squares, cubes } = reached.deviations(column)
    if (squares === 0) return empty
    return (Math.sqrt(reached.count) * cubes) / (squares * Math.sqrt(squares))
  },
} as const satisfies AggregateRule
