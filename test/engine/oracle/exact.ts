// Exact arithmetic, so that no oracle has a rounding order: a float64 counted in units of 2^-200 is an integer.

const UNITS = 2 ** 200

/**
 * The sum, rounded once to float64.
 *
 * @throws RangeError for a value that is not finite or has digits below 2^-200
 */
export function exactSum(values: readonly number[]): number {
  return Number(sumOf(values.map(inUnits))) / UNITS
}

/**
 * The population variance: n Σx² − (Σx)² exactly, then rounded to float64 and divided by n². Not empty.
 *
 * @throws RangeError for a value that is not finite or has digits below 2^-200
 */
export function exactVariance(values: readonly number[]): number {
  const units = values.map(inUnits)
  const count = BigInt(units.length)
  const sum = sumOf(units)
  const spread = count * sumOf(units.map((u) => u * u)) - sum * sum
  return Number(spread) / (UNITS * units.length) ** 2
}

function inUnits(value: number): bigint {
  return BigInt(value * UNITS)
}

function sumOf(integers: readonly bigint[]): bigint {
  return integers.reduce((sum, n) => sum + n, 0n)
}
