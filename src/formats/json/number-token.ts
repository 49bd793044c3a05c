/** Two different decimals of up to this many digits are never the same float64. */
const MOST_DIGITS = 15
/** With more than this many zeros after the decimal point, JavaScript writes an exponent. */
const MOST_ZEROS = 5

const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d
const POINT = 0x2e

/**
 * Is this JSON number written exactly as JavaScript would write it? Then its bytes can be copied.
 * Returns false for some that are, namely those of more than 15 digits. `12.50`, `1e3` and `-0` are
 * not.
 */
export function isCanonicalNumber(bytes: Uint8Array, from: number, to: number): boolean {
  const first = bytes[from] === MINUS ? from + 1 : from
  let point = to
  for (let i = first; i < to; i++) {
    const byte = bytes[i] as number
    if (byte >= ZERO && byte <= NINE) continue
    if (byte !== POINT) return false
    point = i
  }
  if (point === to) return to - first <= MOST_DIGITS && (first === from || bytes[first] !== ZERO)
  return to - first <= MOST_DIGITS + 1 && bytes[to - 1] !== ZERO && !isTiny(bytes, first, point)
}

/** Is it below 0.000001? `point`: index of the decimal point. */
function isTiny(bytes: Uint8Array, first: number, point: number): boolean {
  if (bytes[first] !== ZERO) return false
  let zeros = 0
  while (bytes[point + 1 + zeros] === ZERO) zeros++
  return zeros > MOST_ZEROS
}
