import { isUtf8 } from 'node:buffer'
import { parse } from 'secure-json-parse'
import { TidemarkError } from '../../kernel/errors.ts'
import { type JsonLimits, passedLimit } from './tokens.ts'

// Parses JSON within limits, and says where a value stops being JSON.

/** 1 MiB, 32 levels, 256 fields. */
export const LIMITS: JsonLimits = { bytes: 1024 * 1024, depth: 32, fields: 256 }

const LIMIT_MESSAGES = {
  JSON_DEPTH: `objects and arrays are nested more than ${LIMITS.depth} deep`,
  JSON_FIELDS: `more than ${LIMITS.fields} fields`,
}

/**
 * @throws TidemarkError the first of: `NOT_UTF8` · `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` ·
 * `JSON_PROTO`
 */
export function parseJson(value: Buffer): unknown {
  if (!isUtf8(value)) throw notUtf8(value)
  const passed = passedLimit(value, LIMITS)
  if (passed !== null) throw new TidemarkError(passed, LIMIT_MESSAGES[passed])
  try {
    return parse(value.toString('utf8'), { protoAction: 'error', constructorAction: 'ignore' })
  } catch {
    // The message of V8 quotes the text, so it is not passed on.
    if (value.length === 0) throw new TidemarkError('JSON_INVALID', 'the value is empty')
    const fault = jsonFault(value)
    throw fault === null
      ? new TidemarkError('JSON_PROTO', 'a field is named __proto__')
      : new TidemarkError('JSON_INVALID', `the value is not JSON ${fault}`)
  }
}

export function notUtf8(value: Buffer): TidemarkError {
  const format = foreignFormat(value)
  const cause = format === null ? '' : `: ${format}`
  return new TidemarkError('NOT_UTF8', `the value is not UTF-8${cause}`)
}

// A separate scan describes the fault, without a byte of the payload: parsers quote it, and phrase
// and count differently from version to version.

/** `at byte 10 (line 1, column 11): …`; `null`: it is JSON. Recurses as deep as it is nested. */
export function jsonFault(value: Buffer): string | null {
  // One character per byte, so that indices in it are byte offsets.
  const bytes = value.toString('latin1')
  const scan = new Scan(bytes, bytes.startsWith(BOM) ? BOM.length : 0)
  const isWhole = scan.value()
  if (isWhole && scan.at === bytes.length) return null
  const cause = foreignFormat(value) ?? causeAt(bytes, scan.at, isWhole)
  return `${placeOf(bytes, scan.at)}${cause === null ? '' : `: ${cause}`}`
}

/** The other format that a value looks like; `null`: none. */
function foreignFormat(value: Buffer): string | null {
  if (value[0] === 0x1f && value[1] === 0x8b) {
    return 'it starts like gzip, but only whole batches may be compressed'
  }
  const hasSchemaId = value[0] === 0 && value.length > 5
  return hasSchemaId
    ? "it starts like Confluent's wire format (a 0 byte and a 4-byte schema id), which is not supported"
    : null
}

/** The byte order mark, which may precede JSON. */
const BOM = '\xef\xbb\xbf'

function placeOf(bytes: string, at: number): string {
  const before = bytes.slice(0, at)
  const line = before.split('\n').length
  const inLine = before.slice(before.lastIndexOf('\n') + 1)
  // Continuation bytes do not count as characters.
  const column = inLine.replace(/[\x80-\xbf]/g, '').length + 1
  return `at byte ${at} (line ${line}, column ${column})`
}

function causeAt(bytes: string, at: number, isWhole: boolean): string | null {
  if (at === bytes.length) return 'it ends too early'
  const next = bytes[at] as string
  if (isWhole) {
    return '{['.includes(next)
      ? 'a second value starts here, but a record is one event'
      : 'there is text after the JSON'
  }
  if (bytes.startsWith('NaN', at) || bytes.startsWith('Infinity', at)) {
    return 'JSON has neither NaN nor Infinity'
  }
  const isTrailing = '}]'.includes(next) && bytes.slice(0, at).trimEnd().endsWith(',')
  return isTrailing ? 'there is a comma before the closing bracket' : null
}

/** Scans bytes as far as they are JSON. Each step returns whether it found its token. */
class Scan {
  /** After a false step, the first byte that does not fit. */
  at: number
  readonly #bytes: string

  constructor(bytes: string, start: number) {
    this.at = start
    this.#bytes = bytes
  }

  /** A value and the white space around it. */
  value(): boolean {
    this.#space()
    const isWhole = this.#bareValue()
    if (isWhole) this.#space()
    return isWhole
  }

  #bareValue(): boolean {
    switch (this.#bytes[this.at] ?? '') {
      case '{':
        return this.#list('}', () => this.#member())
      case '[':
        return this.#list(']', () => this.value())
      case '"':
        return this.#text()
      case 't':
        return this.#word('true')
      case 'f':
        return this.#word('false')
      case 'n':
        return this.#word('null')
      default:
        return this.#number()
    }
  }

  #list(end: '}' | ']', item: () => boolean): boolean {
    this.at++
    this.#space()
    if (this.#accept(end)) return true
    do {
      if (!item()) return false
    } while (this.#accept(','))
    return this.#accept(end)
  }

  #member(): boolean {
    this.#space()
    if (!this.#text()) return false
    this.#space()
    return this.#accept(':') && this.value()
  }

  #text(): boolean {
    if (!this.#accept('"')) return false
    for (;;) {
      // Everything except a quote, a backslash and control characters.
      this.#skip(/[ !#-[\]-\xff]*/y)
      if (!this.#accept('\\')) return this.#accept('"')
      if (!this.#escaped()) return false
    }
  }

  #escaped(): boolean {
    if (!this.#accept('u')) return this.#skip(/["\\/bfnrt]/y)
    for (let i = 0; i < 4; i++) if (!this.#skip(/[\da-f]/iy)) return false
    return true
  }

  #word(word: string): boolean {
    for (const letter of word) if (!this.#accept(letter)) return false
    return true
  }

  #number(): boolean {
    this.#accept('-')
    if (!this.#accept('0') && !this.#digits()) return false
    if (this.#accept('.') && !this.#digits()) return false
    if (!this.#skip(/e[+-]?/iy)) return true
    return this.#digits()
  }

  #digits(): boolean {
    return this.#skip(/\d+/y)
  }

  #space(): void {
    this.#skip(/[ \t\n\r]*/y)
  }

  #skip(sticky: RegExp): boolean {
    sticky.lastIndex = this.at
    const isThere = sticky.test(this.#bytes)
    if (isThere) this.at = sticky.lastIndex
    return isThere
  }

  #accept(character: string): boolean {
    const isThere = this.#bytes[this.at] === character
    if (isThere) this.at++
    return isThere
  }
}
