// Limits on the JSON of one record, checked before anything is built from it.

/** Limits on the JSON of one record. */
export interface JsonLimits {
  /** Bytes of the record's value. */
  readonly bytes: number
  /** Nesting depth of objects and arrays. */
  readonly depth: number
  /** Field names in all objects of the record together. */
  readonly fields: number
}

/** The limits of every source: 1 MiB, 32 levels, 256 fields. */
export const LIMITS: JsonLimits = { bytes: 1024 * 1024, depth: 32, fields: 256 }

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * The code of the limit that a JSON text exceeds; `null` if none. One pass; the text need not be
 * valid JSON.
 */
export function passedLimit(
  json: Uint8Array,
  limits: JsonLimits,
): 'JSON_DEPTH' | 'JSON_FIELDS' | null {
  let depth = 0
  let fields = 0
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (byte === QUOTE) {
      i = closingQuote(json, i)
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

function closingQuote(json: Uint8Array, openingQuote: number): number {
  let i = openingQuote + 1
  while (i < json.length && json[i] !== QUOTE) i += json[i] === BACKSLASH ? 2 : 1
  return i
}
