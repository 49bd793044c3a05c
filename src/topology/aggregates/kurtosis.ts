import { type AggregateRule, OF_NUMBERS } from './rule.ts'

/** What is above that of a normal distribution. Of equal values there is none, as scipy has it. */
export const kurtosis = {
  ...OF_NUMBERS,
  needs: ['sums', 'powers'],
  value: (reached, { column, empty }) => {
    const { squares, fourths } = reached.deviations(column)
    if (squares === 0) return empty
    return (reached.count * fourths) / (squares * squares) - 3
  },
} as const satisfies AggregateRule
