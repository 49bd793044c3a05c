import { ABSENT, NULL, PRESENT, ScannedColumns } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import { isIsoTime, isUtcTime } from '../../kernel/iso-time.ts'
import {
  type Bound,
  type BoundField,
  type BoundObject,
  type BoundScalar,
  type BoundUnion,
  type BoundValue,
  UNNAMED,
} from './bound.ts'
import { LIMITS } from './parse-json.ts'
import { isAllowed, NO_SCALAR, type TextRule } from './plain.ts'
import {
  BLANK,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  closingQuote,
  codePoints,
  FALSE_WORD,
  isAnyThere,
  isThere,
  NULL_WORD,
  numberAt,
  OPEN_BRACE,
  OPEN_BRACKET,
  pastBlanks,
  pastNumber,
  QUOTE,
  TRUE_WORD,
  utf8,
  utf16Units,
} from './tokens.ts'

const TIMES = { offset: isIsoTime, utc: isUtcTime } as const
const PROTO = utf8('__proto__"')
const NO_FIELDS: BoundObject = { kind: 'object', fields: [], required: 0, isNullable: false }
const NOTHING: BoundScalar = { ...UNNAMED, rule: { ...NO_SCALAR, isNullable: true } }
const LETTER_F = 0x66
const LETTER_N = 0x6e
const LETTER_T = 0x74

/** Reads a record field by field, in any order. After a false step, the position is undefined. */
export class Walker {
  readonly bound: Bound
  #columns = new ScannedColumns([], 0)
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0
  #row = 0
  #depth = 0
  #fields = 0
  /** By field: the last record with it. */
  readonly #seen: Float64Array
  #record = 0
  /** The trace of the last record. */
  readonly trace = new Trace()

  constructor(bound: Bound) {
    this.bound = bound
    this.#seen = new Float64Array(bound.fields)
  }

  /** @returns whether the schema accepts the record; its columns are then in the row */
  walk({ memory, from, to }: Place, columns: ScannedColumns, row: number): boolean {
    this.#bytes = memory.bytes
    this.#columns = columns
    this.#at = from
    this.#end = to
    this.#row = row
    this.#depth = 0
    this.#fields = 0
    this.trace.count = 0
    this.#record++
    const { capacity, states } = columns
    for (let c = 0; c < columns.forms.length; c++) states[c * capacity + row] = ABSENT
    this.#blanks()
    if (!this.#value(this.bound.root)) return false
    this.#blanks()
    return this.#at === to
  }

  #value(value: BoundValue): boolean {
    switch (value.kind) {
      case 'scalar':
        return this.#scalar(value)
      case 'object':
        return this.#bytes[this.#at] === OPEN_BRACE ? this.#object(value) : this.#nothing(value)
      case 'union':
        return this.#bytes[this.#at] === OPEN_BRACE ? this.#union(value) : this.#nothing(value)
      case 'opaque':
        return false
    }
  }

  #nothing({ isNullable }: BoundObject | BoundUnion): boolean {
    const start = this.#at
    if (!isNullable || !this.#word(NULL_WORD)) return false
    this.trace.note(NOTHING, start, this.#at)
    return true
  }

  #union({ options, columns }: BoundUnion): boolean {
    const [at, depth, fields, traced] = [this.#at, this.#depth, this.#fields, this.trace.count]
    for (let o = 0; o < options.length; o++) {
      if (this.#object(options[o] as BoundObject)) return true
      this.#at = at
      this.#depth = depth
      this.#fields = fields
      this.trace.count = traced
      const { capacity, states } = this.#columns
      for (let c = 0; c < columns.length; c++) {
        states[(columns[c] as number) * capacity + this.#row] = ABSENT
      }
    }
    return false
  }

  #object(object: BoundObject): boolean {
    if (!this.#opens()) return false
    let missing = object.required
    if (this.#bytes[this.#at] !== CLOSE_BRACE) {
      let likely = 0
      do {
        this.#blanks()
        if (this.#bytes[this.#at++] !== QUOTE) return false
        const field = this.#fieldFrom(object, likely)
        if (field < 0) {
          if (!this.#unnamed()) return false
        } else {
          if (!this.#field(object.fields[field] as BoundField)) return false
          if (!(object.fields[field] as BoundField).isOptional) missing--
          likely = field + 1
        }
        this.#blanks()
      } while (this.#accepts(COMMA))
    }
    return missing === 0 && this.#closes(CLOSE_BRACE)
  }

  /** The field named at the current position, the likely one tried first; −1: none. */
  #fieldFrom({ fields }: BoundObject, likely: number): number {
    for (let k = 0, f = likely; k < fields.length; k++, f++) {
      if (f >= fields.length) f = 0
      if (isThere(this.#bytes, this.#at, (fields[f] as BoundField).name)) return f
    }
    return -1
  }

  #field({ id, name, value }: BoundField): boolean {
    // The parser takes the second of two fields with the same name.
    if (this.#seen[id] === this.#record) return false
    this.#seen[id] = this.#record
    this.#at += name.length
    return this.#colon() && this.#value(value)
  }

  /** A field that the schema drops. */
  #unnamed(): boolean {
    if (isThere(this.#bytes, this.#at, PROTO)) return false
    const quote = closingQuote(this.#bytes, this.#at, this.#end)
    this.#at = quote + 1
    return quote >= 0 && this.#colon() && this.#anything()
  }

  #anything(): boolean {
    const byte = this.#bytes[this.#at]
    if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) return this.#scalar(UNNAMED)
    this.trace.count = MORE
    return byte === OPEN_BRACE ? this.#object(NO_FIELDS) : this.#array()
  }

  #array(): boolean {
    if (!this.#opens()) return false
    if (this.#bytes[this.#at] !== CLOSE_BRACKET) {
      do {
        this.#blanks()
        if (!this.#anything()) return false
        this.#blanks()
      } while (this.#accepts(COMMA))
    }
    return this.#closes(CLOSE_BRACKET)
  }

  #scalar(scalar: BoundScalar): boolean {
    const start = this.#at
    switch (this.#bytes[start] as number) {
      case QUOTE:
        if (!this.#text(scalar)) return false
        break
      case LETTER_N:
        if (!scalar.rule.isNullable || !this.#word(NULL_WORD)) return false
        this.#put(scalar, start, NULL)
        break
      case LETTER_T:
        if (!scalar.rule.booleans.includes(true) || !this.#word(TRUE_WORD)) return false
        this.#putNumber(scalar, start, 1)
        break
      case LETTER_F:
        if (!scalar.rule.booleans.includes(false) || !this.#word(FALSE_WORD)) return false
        this.#putNumber(scalar, start, 0)
        break
      default:
        if (!this.#number(scalar)) return false
    }
    this.trace.note(scalar, start, this.#at)
    return true
  }

  #text(scalar: BoundScalar): boolean {
    const { text } = scalar.rule
    const start = this.#at + 1
    const quote = text === null ? -1 : closingQuote(this.#bytes, start, this.#end)
    if (text === null || quote < 0 || !this.#hasLength(text, start, quote)) return false
    if (scalar.words !== null && !isAnyThere(this.#bytes, start, scalar.words)) return false
    const { time } = text
    if (time !== null && !TIMES[time](this.#bytes, start, quote)) return false
    this.#at = quote
    this.#put(scalar, start, PRESENT)
    this.#at++
    return true
  }

  #hasLength({ minLength, maxLength }: TextRule, from: number, to: number): boolean {
    if (minLength > 0 && codePoints(this.#bytes, from, to) < minLength) return false
    return maxLength === Infinity || utf16Units(this.#bytes, from, to) <= maxLength
  }

  #number(scalar: BoundScalar): boolean {
    const start = this.#at
    const end = scalar.rule.number === null ? -1 : pastNumber(this.#bytes, start)
    if (scalar.rule.number === null || end < 0) return false
    const x = numberAt(this.#bytes, start, end)
    this.#at = end
    this.#putNumber(scalar, start, x)
    return Math.abs(x) < this.bound.below && isAllowed(x, scalar.rule.number)
  }

  #putNumber(scalar: BoundScalar, start: number, x: number): void {
    if (scalar.column < 0) return
    this.#columns.numbers[scalar.column * this.#columns.capacity + this.#row] = x
    this.#put(scalar, start, PRESENT)
  }

  /** Sets the cell that ends at the current position. */
  #put({ column }: BoundScalar, start: number, state: number): void {
    if (column < 0) return
    const { capacity, states, starts, ends } = this.#columns
    const cell = column * capacity + this.#row
    states[cell] = state
    starts[cell] = start
    ends[cell] = this.#at
  }

  #opens(): boolean {
    this.#at++
    this.#blanks()
    return ++this.#depth <= LIMITS.depth
  }

  #closes(byte: number): boolean {
    this.#depth--
    return this.#accepts(byte)
  }

  #colon(): boolean {
    this.#blanks()
    if (!this.#accepts(COLON) || ++this.#fields > LIMITS.fields) return false
    this.#blanks()
    return true
  }

  #word(word: Uint8Array): boolean {
    const isWord = isThere(this.#bytes, this.#at, word)
    if (isWord) this.#at += word.length
    return isWord
  }

  #accepts(byte: number): boolean {
    const isByte = this.#bytes[this.#at] === byte
    if (isByte) this.#at++
    return isByte
  }

  #blanks(): void {
    // Most records have no white space.
    if ((this.#bytes[this.#at] as number) > BLANK) return
    this.#at = pastBlanks(this.#bytes, this.#at, this.#end)
  }
}

/** In place of a count: the record also has arrays, or objects outside of the schema. */
const MORE = -1

/** The scalars of a record, in their order, each with the quotes of a text. Allocates nothing. */
export class Trace {
  /** Or {@link MORE}; the walker resets it when it backtracks. */
  count = 0
  readonly scalars = Array.from({ length: LIMITS.fields }, () => UNNAMED)
  readonly starts = new Int32Array(LIMITS.fields)
  readonly ends = new Int32Array(LIMITS.fields)

  note(scalar: BoundScalar, start: number, end: number): void {
    if (this.count === MORE) return
    this.scalars[this.count] = scalar
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.count++
  }
}
