import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** Excess kurtosis: 0 for a normal distribution. Undefined if all values are equal, as in scipy. */
export const kurtosis = {
  ...OF_NUMBERS,
  needs: ['sums', 'powers'],
  value: (reached, { column, empty }) => {
    const { squares, fourths } = reached.deviations(column)
    if (squares === 0) return empty
    return (reached.count * fourths) / (squares * squares) - 3
  },
} as const satisfies AggregateRule
