// Exact arithmetic, so that no oracle has a rounding order: a float64 counted in units of a power
// of 2 is an integer. Each throws a RangeError for a value that is not finite.

/** The sum, rounded once to float64. */
export function exactSum(values: readonly number[]): number {
  const { units, digits } = inUnits(values)
  return quotient(sumOf(units), 1n << digits)
}

/**
 * The population variance: n Σx² − (Σx)² exactly, then rounded to float64 and divided by n². Not
 * empty.
 */
export function exactVariance(values: readonly number[]): number {
  const { units, digits } = inUnits(values)
  const count = BigInt(units.length)
  const sum = sumOf(units)
  const spread = count * sumOf(units.map((u) => u * u)) - sum * sum
  return quotient(spread, 1n << (2n * digits)) / units.length ** 2
}

/**
 * The sums of the 2nd, 3rd and 4th powers of the deviations from the mean, Σ(nx − Σx)ᵏ / nᵏ, each
 * rounded once to float64. Not empty.
 */
export function exactDeviations(values: readonly number[]): [number, number, number] {
  const { units, digits } = inUnits(values)
  const count = BigInt(units.length)
  const sum = sumOf(units)
  let [squares, cubes, fourths] = [0n, 0n, 0n]
  for (const unit of units) {
    const deviation = count * unit - sum
    const square = deviation * deviation
    squares += square
    cubes += square * deviation
    fourths += square * square
  }
  const one = count << digits
  return [quotient(squares, one ** 2n), quotient(cubes, one ** 3n), quotient(fourths, one ** 4n)]
}

/**
 * The sum at a time of values that halve with every half-life. Each value is rounded to float64 at
 * the next multiple of the half-life; all is exact from there up to the multiple after the time.
 */
export function exactDecayedSum(
  values: readonly (readonly [value: number, timeMs: number])[],
  timeMs: number,
  halfLifeMs: number,
): number {
  const next = (ms: number) => Math.floor(ms / halfLifeMs) + 1
  const halfLives = (ms: number) => (next(ms) * halfLifeMs - ms) / halfLifeMs
  const first = Math.min(...values.map(([, ms]) => next(ms)))
  const { units, digits } = inUnits(values.map(([value, ms]) => value * 2 ** -halfLives(ms)))
  const total = sumOf(units.map((u, i) => u << BigInt(next(values[i]?.[1] ?? 0) - first)))
  return quotient(total, 1n << (digits + BigInt(next(timeMs) - first))) * 2 ** halfLives(timeMs)
}

/** Values in the largest possible unit, because powers of small ones are long. */
function inUnits(values: readonly number[]): { units: bigint[]; digits: bigint } {
  let digits = 0
  for (const value of values) {
    while (Number.isFinite(value) && !Number.isInteger(value * 2 ** digits)) digits++
  }
  return { units: values.map((value) => BigInt(value * 2 ** digits)), digits: BigInt(digits) }
}

/** Rounded once to float64. */
function quotient(above: bigint, below: bigint): number {
  if (above < 0n) return -quotient(-above, below)
  // To more binary digits than a float64 has, of which the last one says whether there are more.
  const shift = 80 + digitsOf(below) - digitsOf(above)
  const scaled = shift < 0 ? above : above << BigInt(shift)
  const unit = shift < 0 ? below << BigInt(-shift) : below
  const digits = scaled / unit
  return Number(scaled % unit === 0n ? digits : digits | 1n) * 2 ** -shift
}

/** Hardly more binary digits than it has. */
function digitsOf(integer: bigint): number {
  return integer.toString(16).length * 4
}

function sumOf(integers: readonly bigint[]): bigint {
  return integers.reduce((sum, n) => sum + n, 0n)
}
