import { ABSENT, NULL } from '../../columns/columns.ts'
import { type ByteRoom, Constant } from '../../kernel/bytes.ts'
import { NUMBER_BYTES, writeNumber } from './number-text.ts'
import { isCanonicalNumber } from './number-token.ts'
import { cellOf, memoryOf, type ScoredRows } from './scored-rows.ts'

/** Appends a part of row `i`'s output. */
export type Segment = (i: number, rows: ScoredRows, into: ByteRoom) => void

/** Makes a segment that first appends the constant before it: one call for both is faster. */
export type SegmentAfter = (before: Constant) => Segment

/** Bytes of a quotation mark, which comes before and after a text in its row. */
const QUOTE = 1
const QUOTE_BYTE = 0x22
const COMMA = 0x2c
const OPENING_BRACE = 0x7b
const NULL_TEXT = new Constant('null')
const TRUE_TEXT = new Constant('true')
const FALSE_TEXT = new Constant('false')

/** A segment that is the same in every output. */
export function constantSegment(constant: Constant): Segment {
  return (_i, _rows, into) => into.constant(constant)
}

/** Writes a text field of the event. */
export function textSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) return into.constant(NULL_TEXT)
    const [start, end] = [starts[cell] as number, ends[cell] as number]
    into.copy(memoryOf(i, rows), start - QUOTE, end + QUOTE)
  }
}

/** Writes a text field of the event that has no quotes around it. */
export function bareTextSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) return into.constant(NULL_TEXT)
    into.byte(QUOTE_BYTE)
    into.copy(memoryOf(i, rows), starts[cell] as number, ends[cell] as number)
    into.byte(QUOTE_BYTE)
  }
}

/** Writes a number field of the event that has no literal. */
export function valueSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) into.constant(NULL_TEXT)
    else appendNumber(into, numbers[cell] as number)
  }
}

/** Writes a number field of the event: copied if it is already written as JavaScript would. */
export function numberSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, numbers, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) return into.constant(NULL_TEXT)
    const memory = memoryOf(i, rows)
    const start = starts[cell] as number
    const end = ends[cell] as number
    if (isCanonicalNumber(memory.bytes, start, end)) into.copy(memory, start, end)
    else appendNumber(into, numbers[cell] as number)
  }
}

/** Writes a boolean field of the event. */
export function booleanSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) into.constant(NULL_TEXT)
    else into.constant(numbers[cell] === 1 ? TRUE_TEXT : FALSE_TEXT)
  }
}

/** Writes a number of the model's output. */
export function scoreSegment(column: number): SegmentAfter {
  return (before) =>
    (i, { scores }, into) => {
      into.constant(before)
      appendNumber(into, (scores[column] as Float64Array)[i] as number)
    }
}

/** Writes a feature. `width`: features in a row. */
export function featureSegment(index: number, width: number): SegmentAfter {
  return (before) =>
    (i, { features }, into) => {
      into.constant(before)
      appendNumber(into, features[i * width + index] as number)
    }
}

/** Writes a feature that is carried. `width`: such features in a row. */
export function carriedSegment(index: number, width: number): SegmentAfter {
  return (before) =>
    (i, { carried }, into) => {
      into.constant(before)
      appendNumber(into, carried[i * width + index] as number)
    }
}

/** Writes `true` or `false`. */
export function testSegment(test: (i: number, rows: ScoredRows) => boolean): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    into.constant(test(i, rows) ? TRUE_TEXT : FALSE_TEXT)
  }
}

/** Writes a field, with a comma before it, or nothing if the field is absent. */
export function optionalSegment(column: number, field: readonly Segment[]): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    if (rows.events.columns.states[cellOf(column, i, rows)] === ABSENT) return
    appendComma(into)
    for (const segment of field) segment(i, rows, into)
  }
}

/** Writes a comma, unless an object has just been opened. */
export const commaSegment: SegmentAfter = (before) => (_i, _rows, into) => {
  into.constant(before)
  appendComma(into)
}

/** No value ends in an opening brace. */
function appendComma(into: ByteRoom): void {
  if (into.bytes[into.used - 1] !== OPENING_BRACE) into.byte(COMMA)
}

function appendNumber(into: ByteRoom, x: number): void {
  into.reserve(NUMBER_BYTES)
  into.used = writeNumber(into.bytes, into.used, x)
}
