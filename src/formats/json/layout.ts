import { ABSENT, NULL, PRESENT } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import { isIsoTime, isUtcTime } from '../../kernel/iso-time.ts'
import { generated } from '../../kernel/node.ts'
import type { BoundScalar, RowScan } from './bound.ts'
import type { NumberRule, TextRule } from './plain.ts'
import {
  codePoints,
  FALSE_WORD,
  isAnyThere,
  NULL_WORD,
  numberAt,
  POWERS_OF_TEN,
  pastNumber,
  pastWide,
  TRUE_WORD,
  utf16Units,
} from './tokens.ts'
import type { Trace } from './walker.ts'

// The layout of a record is its bytes without the values, and mostly that of its producer.

/** V8 does not optimise the function of a larger layout. */
const MAX_SCALARS = 96
const MAX_LITERAL_BYTES = 4_096

export interface RecordLayout {
  /** The bytes before each scalar, and after the last. They include the quotes of a bare text. */
  readonly literals: readonly Uint8Array[]
  readonly scalars: readonly BoundScalar[]
}

/** @returns `null`: there is more than scalars, or too much for a compiled function to pay off */
export function recordLayoutOf(
  bytes: Uint8Array,
  { from, to }: Pick<Place, 'from' | 'to'>,
  trace: Trace,
): RecordLayout | null {
  const { count, starts, ends } = trace
  if (count < 0 || count > MAX_SCALARS) return null
  const scalars = trace.scalars.slice(0, count)
  const literals: Uint8Array[] = []
  let at = from
  for (const [i, scalar] of scalars.entries()) {
    const quote = isBareText(scalar) ? 1 : 0
    literals.push(bytes.slice(at, (starts[i] as number) + quote))
    at = (ends[i] as number) - quote
  }
  literals.push(bytes.slice(at, to))
  const size = literals.reduce((sum, { length }) => sum + length, 0)
  return size > MAX_LITERAL_BYTES ? null : { literals, scalars }
}

function isBareText({ rule: { text, number, booleans, isNullable } }: BoundScalar): boolean {
  return text !== null && number === null && booleans.length === 0 && !isNullable
}

// Generates a function that scans records of one layout. It reads four bytes at a time (Hacker's
// Delight, 2nd edition, 6-1: a zero byte in a word), and refuses a record that ends within the last
// eight bytes of the buffer.

const HELPERS = {
  codePoints,
  numberAt,
  pastNumber,
  pastWide,
  powers: POWERS_OF_TEN,
  isAnyThere,
  isIsoTime,
  isUtcTime,
  utf16Units,
}

/** Compiles a layout, where code can be generated. */
export function compileLayout(layout: RecordLayout, columns: number, below = Infinity): RowScan {
  const words = layout.scalars.map((scalar) => scalar.words)
  const names = [...Object.keys(HELPERS), 'words', 'below']
  const make = generated(names, sourceOf(layout, columns)) as (...all: unknown[]) => RowScan
  return make(...Object.values(HELPERS), words, below)
}

function sourceOf({ literals, scalars }: RecordLayout, columns: number): string {
  const filled = new Set(scalars.map(({ column }) => column))
  return `return function scanLayout(place, columns, row) {
    const { memory: { view, bytes }, to: end } = place
    const limit = view.byteLength - 4
    if (end > limit - 4) return false
    const { capacity, states, numbers, starts, ends } = columns
    let at = place.from
    let start = 0, word = 0, quotes = 0, slashes = 0, mask = 0, byte = 0, cell = 0
    let first = 0, count = 0, fraction = 0, x = 0
    let isWide = false, isNegative = false
    ${absentCode(columns, filled)}
    ${scalars.map((scalar, i) => literal(literals[i] as Uint8Array) + scalarCode(scalar, i)).join('\n')}
    ${literal(literals.at(-1) as Uint8Array)}
    return at === end
  }`
}

/** Code that marks the columns that are not filled. */
export function absentCode(columns: number, filled: ReadonlySet<number>): string {
  const absent = Array.from({ length: columns }, (_, c) => c).filter((c) => !filled.has(c))
  return absent.map((c) => `states[${c} * capacity + row] = ${ABSENT}`).join('\n')
}

/** Code that skips these bytes. */
function literal(expected: Uint8Array): string {
  const view = new DataView(expected.buffer, expected.byteOffset, expected.length)
  const { length } = expected
  const differs = [`at + ${length} > end`]
  let k = 0
  for (; k + 4 <= length; k += 4) {
    differs.push(`view.getInt32(at + ${k}, true) !== ${view.getInt32(k, true)}`)
  }
  for (; k < length; k++) differs.push(`view.getUint8(at + ${k}) !== ${expected[k]}`)
  return `if (${differs.join(' || ')}) return false\nat += ${length}\n`
}

function scalarCode(scalar: BoundScalar, i: number): string {
  const { text, number, booleans, isNullable } = scalar.rule
  if (isBareText(scalar)) return `start = at\n${textCode(scalar, i)}\n${put(scalar, PRESENT)}`
  const branches: string[] = []
  if (text !== null) {
    branches.push(`if (byte === 0x22) {
      start = ++at
      ${textCode(scalar, i)}
      ${put(scalar, PRESENT)}
      at++
    }`)
  }
  if (isNullable) branches.push(wordCode(NULL_WORD, put(scalar, NULL)))
  if (booleans.includes(true)) branches.push(wordCode(TRUE_WORD, putNumber(scalar, '1')))
  if (booleans.includes(false)) branches.push(wordCode(FALSE_WORD, putNumber(scalar, '0')))
  const otherwise = number === null ? 'return false' : numberCode(scalar, number)
  if (branches.length === 0) return `start = at\n${otherwise}`
  return `start = at\nbyte = view.getUint8(at)\n${branches.join(' else ')} else { ${otherwise} }`
}

function wordCode(word: Uint8Array, then: string): string {
  return `if (byte === ${word[0]}) { ${literal(word)} ${then} }`
}

/** Code that moves to the quote after the text. */
function textCode({ rule, words }: BoundScalar, i: number): string {
  if (words?.length === 1) return literal((words[0] as Uint8Array).subarray(0, -1))
  const { minLength, maxLength } = rule.text ?? { minLength: 0, maxLength: Infinity }
  const isBounded = minLength > 0 || maxLength < Infinity
  return `${isBounded ? 'isWide = false' : ''}
    for (;;) {
      if (at > limit) return false
      word = view.getInt32(at, true)
      quotes = word ^ 0x22222222
      slashes = word ^ 0x5c5c5c5c
      mask = (((quotes - 0x01010101) & ~quotes) | ((slashes - 0x01010101) & ~slashes)
        | ((word - 0x20202020) & ~word) | word) & 0x80808080
      if (mask === 0) {
        at += 4
        continue
      }
      // The first byte that is a quote, a backslash, a control character or not ASCII.
      mask = 31 - Math.clz32(mask & -mask)
      at += mask >> 3
      byte = (word >>> (mask - 7)) & 0xff
      if (byte === 0x22) break
      if (byte < 0x80) return false
      at = pastWide(bytes, at, end)
      if (at < 0) return false
      ${isBounded ? 'isWide = true' : ''}
    }
    ${isBounded ? lengthCode(minLength, maxLength, 'at') : ''}
    ${words === null ? '' : `if (!isAnyThere(bytes, start, words[${i}])) return false`}
    ${timeCode(rule.text?.time ?? null, 'at')}`
}

/** Code that checks that the text from `start` to `end` is a time. */
export function timeCode(time: TextRule['time'], end: string): string {
  if (time === null) return ''
  const is = time === 'offset' ? 'isIsoTime' : 'isUtcTime'
  return `if (!${is}(bytes, start, ${end})) return false`
}

/** Code that checks the length of the text from `start` to `end`. */
export function lengthCode(min: number, max: number, end: string): string {
  return `if (isWide
      ? codePoints(bytes, start, ${end}) < ${min} || utf16Units(bytes, start, ${end}) > ${max}
      : ${end} - start < ${min} || ${end} - start > ${max}) return false`
}

/** Code that reads digits into `x`, which is exact for at most 15 digits. */
const DIGITS = `
    while (at <= limit) {
      word = (view.getInt32(at, true) - 0x30303030) | 0
      if ((((word + 0x76767676) | word) & 0x80808080) !== 0) break
      word = Math.imul(word, 10) + (word >>> 8)
      x = x * 10000 + ((word & 0xff) * 100 + ((word >>> 16) & 0xff))
      at += 4
    }
    while (at < end) {
      byte = view.getUint8(at) - 0x30
      if (byte < 0 || byte > 9) break
      x = x * 10 + byte
      at++
    }`

function numberCode(scalar: BoundScalar, rule: NumberRule): string {
  return `isNegative = view.getUint8(at) === 0x2d
    if (isNegative) at++
    first = at
    x = 0
    ${DIGITS}
    count = at - first
    if (count === 0 || (count > 1 && view.getUint8(first) === 0x30)) return false
    fraction = 0
    if (view.getUint8(at) === 0x2e) {
      first = ++at
      ${DIGITS}
      fraction = at - first
      if (fraction === 0) return false
    }
    if (count + fraction > 15 || (view.getUint8(at) | 0x20) === 0x65) {
      at = pastNumber(bytes, start)
      if (at < 0) return false
      x = numberAt(bytes, start, at)
      if (!(Math.abs(x) < below)) return false
    } else {
      if (fraction !== 0) x /= powers[fraction]
      if (isNegative) x = -x
    }
    ${ruleCode(rule)}
    ${putNumber(scalar, 'x')}`
}

/** Code of the checks of `isAllowed`. */
export function ruleCode(rule: NumberRule): string {
  const { isInteger, min, max, above, below, divisors, oneOf } = rule
  const holds: string[] = []
  if (isInteger) holds.push('Number.isSafeInteger(x)')
  if (min !== -Infinity) holds.push(`x >= ${min}`)
  if (max !== Infinity) holds.push(`x <= ${max}`)
  if (above !== -Infinity) holds.push(`x > ${above}`)
  if (below !== Infinity) holds.push(`x < ${below}`)
  for (const divisor of divisors) holds.push(`x % ${divisor} === 0`)
  if (oneOf !== null) holds.push(`(${oneOf.map((value) => `x === ${value}`).join(' || ')})`)
  return holds.length === 0 ? '' : `if (!(${holds.join(' && ')})) return false`
}

function putNumber(scalar: BoundScalar, x: string): string {
  return scalar.column < 0 ? '' : `${put(scalar, PRESENT)}\nnumbers[cell] = ${x}`
}

function put({ column }: BoundScalar, state: number): string {
  return putCode(column, state, 'at')
}

/** Code that records the cell from `start` to `end`. */
export function putCode(column: number, state: number, end: string): string {
  if (column < 0) return ''
  return `cell = ${column} * capacity + row
    states[cell] = ${state}
    starts[cell] = start
    ends[cell] = ${end}`
}
