import { ABSENT, NULL, PRESENT, type ScannedColumns } from '../../columns/columns.ts'
import { type ByteRoom, Constant, type Memory } from '../../kernel/bytes.ts'
import type { KnownValue } from './known-values.ts'
import { isCanonicalNumber, NUMBER_BYTES, writeNumber } from './number-text.ts'

export interface ScoredRows {
  readonly events: {
    readonly columns: ScannedColumns
    /** The memory of an event's offsets; `null`: the columns hold nothing of the event. */
    memoryOf(index: number): Memory | null
  }
  /** The index of the event of each row. */
  readonly indices: readonly number[]
  /** By number of the model's output, then by row. */
  readonly scores: readonly Float64Array[]
  /** Row-major. */
  readonly features: Float32Array
  /** Row-major. */
  readonly carried: Float64Array
}

function cellOf(column: number, i: number, { events, indices }: ScoredRows): number {
  return column * events.columns.capacity + (indices[i] as number)
}

function memoryOf(i: number, { events, indices }: ScoredRows): Memory {
  return events.memoryOf(indices[i] as number) as Memory
}

/** Appends a part of the output of row `i`. */
export type Segment = (i: number, rows: ScoredRows, into: ByteRoom) => void

/** Bytes of a quotation mark, at either end of a text in its row. */
const QUOTE = 1
const QUOTE_BYTE = 0x22
const COMMA = 0x2c
const OPENING_BRACE = 0x7b
const NULL_TEXT = new Constant('null')
const TRUE_TEXT = new Constant('true')
const FALSE_TEXT = new Constant('false')

/** Writes a text with its quotes; a binary one has none. */
export function textSegment(column: number, isBinary: boolean): Segment {
  return (i, rows, into) => {
    const { states, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) return into.constant(NULL_TEXT)
    const [start, end] = [starts[cell] as number, ends[cell] as number]
    if (!isBinary) return into.copy(memoryOf(i, rows), start - QUOTE, end + QUOTE)
    into.byte(QUOTE_BYTE)
    into.copy(memoryOf(i, rows), start, end)
    into.byte(QUOTE_BYTE)
  }
}

/** Writes a number. Its literal, which a binary one lacks, is copied if JavaScript writes it so. */
export function numberSegment(column: number, isBinary: boolean): Segment {
  return (i, rows, into) => {
    const { states, numbers, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) return into.constant(NULL_TEXT)
    if (isBinary) return appendNumber(into, numbers[cell] as number)
    const memory = memoryOf(i, rows)
    const start = starts[cell] as number
    const end = ends[cell] as number
    if (isCanonicalNumber(memory.bytes, start, end)) into.copy(memory, start, end)
    else appendNumber(into, numbers[cell] as number)
  }
}

export function booleanSegment(column: number): Segment {
  return (i, rows, into) => {
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) into.constant(NULL_TEXT)
    else into.constant(numbers[cell] === 1 ? TRUE_TEXT : FALSE_TEXT)
  }
}

export function scoreSegment(column: number): Segment {
  return (i, { scores }, into) => appendNumber(into, (scores[column] as Float64Array)[i] as number)
}

export function featureSegment(index: number, width: number): Segment {
  return (i, { features }, into) => appendNumber(into, features[i * width + index] as number)
}

export function carriedSegment(index: number, width: number): Segment {
  return (i, { carried }, into) => appendNumber(into, carried[i * width + index] as number)
}

export function testSegment(test: (i: number, rows: ScoredRows) => boolean): Segment {
  return (i, rows, into) => into.constant(test(i, rows) ? TRUE_TEXT : FALSE_TEXT)
}

/** Writes a field with a comma before it; nothing if the field is absent. */
export function optionalSegment(column: number, field: Segment): Segment {
  return (i, rows, into) => {
    if (rows.events.columns.states[cellOf(column, i, rows)] === ABSENT) return
    appendComma(into)
    field(i, rows, into)
  }
}

/** Writes a comma, unless an object has just begun. */
export const commaSegment: Segment = (_i, _rows, into) => appendComma(into)

/** No value ends in an opening brace. */
function appendComma(into: ByteRoom): void {
  if (into.bytes[into.used - 1] !== OPENING_BRACE) into.byte(COMMA)
}

function appendNumber(into: ByteRoom, x: number): void {
  into.reserve(NUMBER_BYTES)
  into.used = writeNumber(into.bytes, into.used, x)
}

type Literal = string | number | boolean | null
type RowTest = (i: number, rows: ScoredRows) => boolean

export function equalityTest(value: Exclude<KnownValue, { is: 'object' }>, to: Literal): RowTest {
  switch (value.is) {
    case 'constant':
      return always(value.value === to)
    case 'score':
      return (i, { scores }) => scores[value.column]?.[i] === to
    case 'feature':
      return (i, { features }) => features[i * value.width + value.index] === to
    case 'carried':
      return (i, { carried }) => carried[i * value.width + value.index] === to
    case 'field':
      return to === null ? isNull(value.column) : fieldTest(value, to)
  }
}

function fieldTest(
  { column, type }: Extract<KnownValue, { is: 'field' }>,
  to: Exclude<Literal, null>,
): RowTest {
  if (type === 'text') return typeof to === 'string' ? isText(column, to) : always(false)
  if (type === 'number') return typeof to === 'number' ? isNumber(column, to) : always(false)
  return typeof to === 'boolean' ? isNumber(column, Number(to)) : always(false)
}

function isNull(column: number): RowTest {
  return (i, rows) => rows.events.columns.states[cellOf(column, i, rows)] === NULL
}

function isNumber(column: number, to: number): RowTest {
  return (i, rows) => {
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    return states[cell] === PRESENT && numbers[cell] === to
  }
}

function isText(column: number, to: string): RowTest {
  const wanted = Buffer.from(to)
  // UTF-8 has no lone surrogate, so no text of an event has one.
  if (wanted.toString() !== to) return always(false)
  return (i, rows) => {
    const { states, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    const start = starts[cell] as number
    if (states[cell] !== PRESENT || (ends[cell] as number) - start !== wanted.length) return false
    const { bytes } = memoryOf(i, rows)
    for (let k = 0; k < wanted.length; k++) if (bytes[start + k] !== wanted[k]) return false
    return true
  }
}

function always(answer: boolean): RowTest {
  return () => answer
}
