// Times as text: RFC 3339, which is ISO 8601 with a date, a time and an offset from UTC.

const MINUS = 0x2d
const PLUS = 0x2b
const COLON = 0x3a
const POINT = 0x2e
const BLANK = 0x20
const LARGE_T = 0x54
const LARGE_Z = 0x5a
const SMALL_T = 0x74
const SMALL_Z = 0x7a
const SIX = 0x36
/** Bytes of a date with a time to the second, and of an offset other than Z. */
const SECONDS = 19
const OFFSET = 6

/** Like {@link isoTimeAt}, of a text. */
export function isoTimeMs(text: string): number {
  const bytes = Buffer.from(text)
  return isoTimeAt(bytes, 0, bytes.length)
}

/**
 * The time in bytes `from` ≤ i < `to`, ms since the epoch, rounded down; a leap second is the first
 * second of the next minute. NaN: they are not a time of the years 0 to 9999 with an offset.
 */
export function isoTimeAt(bytes: Uint8Array, from: number, to: number): number {
  const isUtc = bytes[to - 1] === LARGE_Z || bytes[to - 1] === SMALL_Z
  const end = to - (isUtc ? 1 : OFFSET)
  if (end < from + SECONDS || !isApart(bytes, from)) return Number.NaN
  const year = digitsAt(bytes, from) * 100 + digitsAt(bytes, from + 2)
  const month = digitsAt(bytes, from + 5)
  const day = digitsAt(bytes, from + 8)
  const hour = digitsAt(bytes, from + 11)
  const minute = digitsAt(bytes, from + 14)
  const second = digitsAt(bytes, from + 17)
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
  if (!isDate || !(hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN
  const days = daysBefore(year, month) + day - 1
  const minutes = days * 1_440 + hour * 60 + minute - (isUtc ? 0 : offsetAt(bytes, end))
  return minutes * 60_000 + second * 1_000 + fractionAt(bytes, from + SECONDS, end)
}

/**
 * Whether zod's `iso.datetime` surely takes the bytes, with `offset: true`: a time with T, and Z or an
 * offset, without a leap second.
 */
export function isIsoTime(bytes: Uint8Array, from: number, to: number): boolean {
  if (bytes[from + 10] !== LARGE_T || bytes[from + 17] === SIX || bytes[to - 1] === SMALL_Z) {
    return false
  }
  return !Number.isNaN(isoTimeAt(bytes, from, to))
}

/** Like {@link isIsoTime}, without `offset`: the time ends with Z. */
export function isUtcTime(bytes: Uint8Array, from: number, to: number): boolean {
  return bytes[to - 1] === LARGE_Z && isIsoTime(bytes, from, to)
}

function isApart(bytes: Uint8Array, from: number): boolean {
  const between = bytes[from + 10]
  return (
    bytes[from + 4] === MINUS &&
    bytes[from + 7] === MINUS &&
    (between === LARGE_T || between === SMALL_T || between === BLANK) &&
    bytes[from + 13] === COLON &&
    bytes[from + 16] === COLON
  )
}

/** A number of two digits; NaN: they are not one. */
function digitsAt(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - 0x30
  const ones = (bytes[at + 1] as number) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Minutes that local time is ahead of UTC; NaN: it is not an offset. */
function offsetAt(bytes: Uint8Array, at: number): number {
  const sign = bytes[at]
  const hours = digitsAt(bytes, at + 1)
  const minutes = digitsAt(bytes, at + 4)
  const isOffset = (sign === PLUS || sign === MINUS) && bytes[at + 3] === COLON
  if (!isOffset || !(hours <= 23 && minutes <= 59)) return Number.NaN
  return sign === PLUS ? hours * 60 + minutes : -(hours * 60 + minutes)
}

/** Whole ms of a fraction of a second, which may be left out; NaN: it is not one. */
function fractionAt(bytes: Uint8Array, from: number, end: number): number {
  if (from === end) return 0
  if (bytes[from] !== POINT || from + 1 === end) return Number.NaN
  let ms = 0
  let unit = 100
  for (let i = from + 1; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    ms += unit >= 1 ? digit * unit : 0
    unit /= 10
  }
  return ms
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return 30 + ((month + (month >> 3)) & 1)
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

/**
 * Days from the epoch to a month. Years begin in March, so that February is last (Howard Hinnant,
 * "chrono-compatible low-level date algorithms", days_from_civil).
 */
function daysBefore(year: number, month: number): number {
  const isLast = month <= 2
  const y = isLast ? year - 1 : year
  const m = isLast ? month + 9 : month - 3
  const leaps = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400)
  return 365 * y + leaps + Math.floor((153 * m + 2) / 5) - 719_468
}
