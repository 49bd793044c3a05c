import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Population skewness. Undefined if all values are equal, as in scipy. */
export const skewness = {
  ...OF_NUMBERS,
  needs: ['sums', 'powers'],
  value: (reached, { column, empty }) => {
    const { squares, cubes } = reached.deviations(column)
    if (squares === 0) return empty
    return (Math.sqrt(reached.count) * cubes) / (squares * Math.sqrt(squares))
  },
} as const satisfies AggregateRule
