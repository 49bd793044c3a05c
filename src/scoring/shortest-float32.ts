const DECIMAL_PLACES = 15
/** 10^k; exact as float64 up to 10^22. */
const POWERS_OF_TEN = Array.from({ length: DECIMAL_PLACES + 1 }, (_, k) => 10 ** k)
const SMALLEST = 1e-7
const LARGEST = 1e6
/**
 * A scaled value is off by at most 1e-7 here, so it can round the wrong way only if it differs from
 * an integer by more than this.
 */
const CLEAR_OF_HALF = 0.4999

/**
 * The decimal with the fewest significant digits (at most 9) that rounds back to the float32 `x`,
 * and of those the nearest: 0.1 for the float32 0.10000000149011612. Same float32, shorter text.
 * NaN, ±Infinity and ±0 are returned unchanged.
 *
 * An integer of at most 9 digits over 10^k is exact on both sides, so the quotient is the float64
 * of that decimal text (Clinger, "How to read floating point numbers accurately", 1990). A float32
 * always preserves six decimal digits, and nine always identify it.
 */
export function shortestFloat32(x: number): number {
  const size = Math.abs(x)
  if (!(size >= SMALLEST && size < LARGEST)) return byText(x)
  const decimals = sixDigits(size)
  for (let k = decimals; k <= decimals + 3; k++) {
    const power = POWERS_OF_TEN[k] as number
    const scaled = size * power
    const digits = Math.round(scaled)
    if (Math.abs(scaled - digits) > CLEAR_OF_HALF) return byText(x)
    const decimal = digits / power
    if (Math.fround(decimal) === size) return x < 0 ? -decimal : decimal
  }
  return x
}

/** Decimal places that show six significant digits. */
function sixDigits(size: number): number {
  let decimals = 5
  if (size < 1) {
    while (size * (POWERS_OF_TEN[decimals - 5] as number) < 1) decimals++
    return decimals
  }
  while (size >= (POWERS_OF_TEN[6 - decimals] as number)) decimals--
  return decimals
}

function byText(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(x.toPrecision(digits))
    if (Math.fround(decimal) === x) return decimal
  }
  return Number(x.toPrecision(9))
}
