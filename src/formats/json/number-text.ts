/** Bytes of the longest text of a number: `-2.2250738585072014e-308`. */
export const NUMBER_BYTES = 24

/** Exact as float64 up to 10^22. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, k) => 10 ** k)
const BILLION = 1e9
/** JavaScript writes smaller numbers with an exponent. */
const SMALLEST = 1e-6
/** Nine digits identify a float32; two decimals of up to 15 digits are never one float64. */
const FLOAT32_DIGITS = 9
const FLOAT64_DIGITS = 15

const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d
const POINT = 0x2e

/**
 * Writes a number as `JSON.stringify` does, NaN and the infinities as `null`. Needs room for {@link
 * NUMBER_BYTES}. V8 formats numbers of more than 15 digits, or with an exponent.
 * @returns the index of the next byte
 */
export function writeNumber(bytes: Uint8Array, at: number, x: number): number {
  const size = Math.abs(x)
  if (Number.isSafeInteger(x)) return writeWhole(bytes, writeSign(bytes, at, x), size)
  if (!(size >= SMALLEST && size < BILLION)) return writeText(bytes, at, x)
  let places = placesOf(size)
  if (places === 0) return writeText(bytes, at, x)
  const power = POWERS_OF_TEN[places] as number
  const whole = Math.trunc(size)
  let fraction = Math.round(size * power) - whole * power
  for (let tenth = fraction / 10; tenth === Math.trunc(tenth); tenth /= 10) {
    fraction = tenth
    places--
  }
  const point = writeWhole(bytes, writeSign(bytes, at, x), whole)
  bytes[point] = POINT
  const end = point + 1 + places
  writeZeros(bytes, point + 1, writeDigits(bytes, end, fraction))
  return end
}

/**
 * The decimal places with which `size` is an integer of at most 15 digits over 10^places; 0: none.
 *
 * The quotient of two exact integers is the float64 nearest to that decimal (Clinger, "How to read
 * floating point numbers accurately", 1990). Shorter texts that are read as the same number would
 * be the same decimal, so the decimal itself, without trailing zeros, is the shortest text.
 */
function placesOf(size: number): number {
  let before = 0
  if (size < 1) while (size * (POWERS_OF_TEN[1 - before] as number) < 1) before--
  else while (size >= (POWERS_OF_TEN[before] as number)) before++
  if (isOver(size, FLOAT32_DIGITS - before)) return FLOAT32_DIGITS - before
  return isOver(size, FLOAT64_DIGITS - before) ? FLOAT64_DIGITS - before : 0
}

function isOver(size: number, places: number): boolean {
  const power = POWERS_OF_TEN[places] as number
  return Math.round(size * power) / power === size
}

/** Writes a whole number below 2^53. @returns the index of the next byte */
function writeWhole(bytes: Uint8Array, at: number, whole: number): number {
  let end = at + 1
  for (let power = 10; power <= whole; power *= 10) end++
  writeZeros(bytes, at, writeDigits(bytes, end, whole))
  return end
}

/** Writes the digits before `end`, none for 0. @returns the index of the first one */
function writeDigits(bytes: Uint8Array, end: number, whole: number): number {
  if (whole < BILLION) return writeNine(bytes, end, whole)
  // Never rounded up: a billionth is more than half the distance between float64s of this size.
  const billions = Math.floor(whole / BILLION)
  writeZeros(bytes, end - 9, writeNine(bytes, end, whole - billions * BILLION))
  return writeNine(bytes, end - 9, billions)
}

/** Writes at most nine digits, as {@link writeDigits}. */
function writeNine(bytes: Uint8Array, end: number, whole: number): number {
  let at = end
  for (let rest = whole | 0; rest > 0; ) {
    const tenth = (rest / 10) | 0
    bytes[--at] = ZERO + rest - 10 * tenth
    rest = tenth
  }
  return at
}

function writeZeros(bytes: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) bytes[i] = ZERO
}

function writeSign(bytes: Uint8Array, at: number, x: number): number {
  if (x >= 0) return at
  bytes[at] = MINUS
  return at + 1
}

function writeText(bytes: Uint8Array, at: number, x: number): number {
  const text = Number.isFinite(x) ? String(x) : 'null'
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}

const MOST_DIGITS = 15
/** JavaScript writes an exponent after more zeros behind the point. */
const MOST_ZEROS = 5

/** Whether JavaScript would write a number so. False for all of more than 15 digits. */
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

/** @param point index of the decimal point */
function isTiny(bytes: Uint8Array, first: number, point: number): boolean {
  if (bytes[first] !== ZERO) return false
  let zeros = 0
  while (bytes[point + 1 + zeros] === ZERO) zeros++
  return zeros > MOST_ZEROS
}
