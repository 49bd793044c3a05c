// Sums that carry their own rounding error, so that the float32 made from them depends neither on
// the order of the terms nor on their grouping into blocks. TwoSum: Knuth, TAOCP 2, 4.2.2.
// TwoProduct: Dekker 1971, with Veltkamp's split. Summation: Ogita, Rump, Oishi, "Accurate Sum and
// Dot Product" (2005), Sum2: as if in twice the precision.

/** 2^27 + 1 splits a float64 into two halves whose products are exact. */
const SPLITTER = 134_217_729

/** The rounding error of `sum = a + b`, to be added to it. */
export function sumError(a: number, b: number, sum: number): number {
  const taken = sum - a
  return a - (sum - taken) + (b - taken)
}

/** Adds `x` to the pair (value, error) at `at`, `at + 1`. */
export function addTo(sums: Float64Array, at: number, x: number): void {
  const before = sums[at] as number
  const after = before + x
  sums[at] = after
  sums[at + 1] = (sums[at + 1] as number) + sumError(before, x, after)
}

/** Adds `x` to a triple in which each number holds the rounding error of the one before it. */
export function addToTriple(sums: Float64Array, at: number, x: number): void {
  const before = sums[at] as number
  const after = before + x
  sums[at] = after
  addTo(sums, at + 1, sumError(before, x, after))
}

/** Population variance, (n·Σx² − (Σx)²) / n², in twice the precision: the terms nearly cancel. */
export function variance(n: number, sums: Float64Array, sum: number, squares: number): number {
  const total = (sums[sum] as number) + (sums[sum + 1] as number)
  const totalRest = (sums[sum] as number) - total + (sums[sum + 1] as number)
  const square = (sums[squares] as number) + (sums[squares + 1] as number)
  const squareRest = (sums[squares] as number) - square + (sums[squares + 1] as number)
  const left = n * square
  const leftRest = productError(n, square, left) + n * squareRest
  const right = total * total
  const rightRest = productError(total, total, right) + 2 * total * totalRest
  // The difference's rounding error is kept too: a variance of amounts in cents is often halfway
  // between two float32 values.
  const spread = left - right
  const taken = left - spread
  const spreadRest = left - (spread + taken) + (taken - right)
  return Math.max(0, (spread + (spreadRest + (leftRest - rightRest))) / (n * n))
}

export function productError(a: number, b: number, product: number): number {
  const bigA = SPLITTER * a
  const highA = bigA - (bigA - a)
  const lowA = a - highA
  const bigB = SPLITTER * b
  const highB = bigB - (bigB - b)
  const lowB = b - highB
  return highA * highB - product + highA * lowB + lowA * highB + lowA * lowB
}
