// The rounding errors of sums and products, which are float64 numbers themselves. TwoSum: Knuth,
// TAOCP 2, 4.2.2. TwoProduct: Dekker 1971, with Veltkamp's split.

/** 2^27 + 1 splits a float64 into two halves whose products are exact. */
const SPLITTER = 134_217_729

/** The rounding error of `sum = a + b`, to be added to it. */
export function sumError(a: number, b: number, sum: number): number {
  const taken = sum - a
  return a - (sum - taken) + (b - taken)
}

export function squareError(x: number, square: number): number {
  const big = SPLITTER * x
  const high = big - (big - x)
  const low = x - high
  return high * high - square + 2 * high * low + low * low
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
