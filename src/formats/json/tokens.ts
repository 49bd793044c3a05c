// The tokens of JSON, in bytes. Functions return the end of a token; −1: it is invalid or not
// complete. (Imported constants would make loops over bytes slower by a third.)

export const QUOTE = 0x22
export const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
export const COLON = 0x3a
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
const BACKSLASH = 0x5c
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const BLANK = 0x20
const SMALL_E = 0x65

export const NULL_WORD = utf8('null')
export const TRUE_WORD = utf8('true')
export const FALSE_WORD = utf8('false')

/** Not a Buffer: loops over bytes are fast only while all byte arrays are of one class. */
export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/** 10^k, exact as float64. */
export const POWERS_OF_TEN = Float64Array.from({ length: 16 }, (_, k) => Number(`1e${k}`))

export function pastBlanks(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i < end && isBlank(bytes[i] as number)) i++
  return i
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === 0x0a || byte === 0x0d || byte === 0x09
}

export interface JsonLimits {
  /** Bytes of the value. */
  readonly bytes: number
  readonly depth: number
  /** Field names in all objects together. */
  readonly fields: number
}

/** The code of the limit that a text exceeds; `null`: none. The text need not be valid JSON. */
export function passedLimit(
  json: Uint8Array,
  limits: JsonLimits,
): 'JSON_DEPTH' | 'JSON_FIELDS' | null {
  let depth = 0
  let fields = 0
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (byte === QUOTE) {
      i = endOfText(json, i)
    } else if (byte === COLON) {
      if (++fields > limits.fields) return 'JSON_FIELDS'
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > limits.depth) return 'JSON_DEPTH'
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
    }
  }
  return null
}

/** The index of the closing quote of any text. */
function endOfText(json: Uint8Array, openingQuote: number): number {
  let i = openingQuote + 1
  while (i < json.length && json[i] !== QUOTE) i += json[i] === BACKSLASH ? 2 : 1
  return i
}

/** The index of the closing quote of a text without escapes, in valid UTF-8. */
export function closingQuote(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i < end) {
    const byte = bytes[i] as number
    if (byte === QUOTE) return i
    if (byte === BACKSLASH || byte < BLANK) return -1
    if (byte < 0x80) i++
    else if ((i = pastWide(bytes, i, end)) < 0) return -1
  }
  return -1
}

/** The index after characters of more than one byte. The Unicode Standard, table 3-7. */
export function pastWide(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  do {
    const lead = bytes[i] as number
    const length = lengthOf(lead)
    if (length === 0 || i + length > end) return -1
    const second = bytes[i + 1] as number
    if (second < lowest(lead) || second > highest(lead)) return -1
    for (let k = i + 2; k < i + length; k++) if (!isContinuation(bytes[k] as number)) return -1
    i += length
  } while (i < end && (bytes[i] as number) >= 0x80)
  return i
}

/** Bytes of a character that begins with this byte; 0: no character does. */
function lengthOf(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 0
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}

/** Below it are overlong forms. */
function lowest(lead: number): number {
  return lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
}

/** Above it are surrogates, and numbers past the last character. */
function highest(lead: number): number {
  return lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

export function codePoints(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let i = from; i < to; i++) if (!isContinuation(bytes[i] as number)) count++
  return count
}

export function utf16Units(bytes: Uint8Array, from: number, to: number): number {
  let count = codePoints(bytes, from, to)
  for (let i = from; i < to; i++) if ((bytes[i] as number) >= 0xf0) count++
  return count
}

export function isAnyThere(bytes: Uint8Array, at: number, words: readonly Uint8Array[]): boolean {
  for (const word of words) if (isThere(bytes, at, word)) return true
  return false
}

export function isThere(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let k = 0; k < word.length; k++) if (bytes[at + k] !== word[k]) return false
  return true
}

export function pastNumber(bytes: Uint8Array, from: number): number {
  const first = bytes[from] === MINUS ? from + 1 : from
  let i = pastDigits(bytes, first)
  if (i === first || (i > first + 1 && bytes[first] === ZERO)) return -1
  if (bytes[i] === POINT) {
    const fraction = i + 1
    i = pastDigits(bytes, fraction)
    if (i === fraction) return -1
  }
  if (((bytes[i] as number) | BLANK) !== SMALL_E) return i
  const sign = bytes[i + 1]
  const exponent = sign === 0x2b || sign === MINUS ? i + 2 : i + 1
  i = pastDigits(bytes, exponent)
  return i === exponent ? -1 : i
}

function pastDigits(bytes: Uint8Array, from: number): number {
  let i = from
  while (isDigit(bytes[i] as number)) i++
  return i
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}

/**
 * The number whose end {@link pastNumber} has found, with the bits of `JSON.parse`. A whole number
 * of at most 15 digits and 10^k are exact as float64, so the quotient is rounded once (Clinger,
 * "How to read floating point numbers accurately", 1990).
 */
export function numberAt(bytes: Uint8Array, from: number, to: number): number {
  const isNegative = bytes[from] === MINUS
  const first = isNegative ? from + 1 : from
  // 15 digits and the point.
  if (to - first > 16) return byText(bytes, from, to)
  let digits = 0
  let point = to - 1
  for (let i = first; i < to; i++) {
    const byte = bytes[i] as number
    if (byte === POINT) point = i
    else if (isDigit(byte)) digits = digits * 10 + byte - ZERO
    else return byText(bytes, from, to)
  }
  if (to - first === 16 && point === to - 1) return byText(bytes, from, to)
  const size = digits / (POWERS_OF_TEN[to - 1 - point] as number)
  return isNegative ? -size : size
}

function byText(bytes: Uint8Array, from: number, to: number): number {
  return Number(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1'))
}
