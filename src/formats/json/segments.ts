import { type ByteRoom, Constant } from '../../kernel/byte-room.ts'
import { ABSENT, NULL } from '../../plan/columns.ts'
import { NUMBER_BYTES, writeNumber } from './number-text.ts'
import { isCanonicalNumber } from './number-token.ts'
import { cellOf, memoryOf, type ScoredRows } from './scored-rows.ts'

/** Appends a part of row `i`'s output. */
export type Segment = (i: number, rows: ScoredRows, into: ByteRoom) => void

/** A segment that appends first what is always in front of it: one call for both is quicker. */
export type SegmentAfter = (before: Constant) => Segment

/** Bytes of a quotation mark, which stands before and behind a text in its row. */
const QUOTE = 1
const COMMA = 0x2c
const OPENING_BRACE = 0x7b
const NULL_TEXT = new Constant('null')
const TRUE_TEXT = new Constant('true')
const FALSE_TEXT = new Constant('false')

/** What is the same in every output. */
export function constantSegment(constant: Constant): Segment {
  return (_i, _rows, into) => into.constant(constant)
}

/** A text of the event. */
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

/** A number of the event: copied when it is written as JavaScript would. */
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

export function booleanSegment(column: number): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    if (states[cell] === NULL) into.constant(NULL_TEXT)
    else into.constant(numbers[cell] === 1 ? TRUE_TEXT : FALSE_TEXT)
  }
}

export function scoreSegment(column: number): SegmentAfter {
  return (before) =>
    (i, { scores }, into) => {
      into.constant(before)
      appendNumber(into, (scores[column] as Float64Array)[i] as number)
    }
}

/** `width`: features in a row. */
export function featureSegment(index: number, width: number): SegmentAfter {
  return (before) =>
    (i, { features }, into) => {
      into.constant(before)
      appendNumber(into, features[i * width + index] as number)
    }
}

/** `true` or `false`. */
export function testSegment(test: (i: number, rows: ScoredRows) => boolean): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    into.constant(test(i, rows) ? TRUE_TEXT : FALSE_TEXT)
  }
}

/** A field that is left out where it is absent, with the comma before it. */
export function optionalSegment(column: number, field: readonly Segment[]): SegmentAfter {
  return (before) => (i, rows, into) => {
    into.constant(before)
    if (rows.events.columns.states[cellOf(column, i, rows)] === ABSENT) return
    appendComma(into)
    for (const segment of field) segment(i, rows, into)
  }
}

/** A comma, unless an object has just been opened. */
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
