import type { Type, types } from 'avsc'
import { type ColumnForm, type FieldPath, NULL, PRESENT } from '../../columns/columns.ts'
import { isIsoTime, isUtcTime } from '../../kernel/iso-time.ts'
import { generated } from '../../kernel/node.ts'
import type { RowScan } from '../json/bound.ts'
import { absentCode, lengthCode, putCode, ruleCode, timeCode } from '../json/layout.ts'
import type { PlainObject, PlainValue, Scalar } from '../json/plain.ts'
import { codePoints, pastWide, utf16Units } from '../json/tokens.ts'
import { PayloadCursor, refusalOf, type Walk } from '../payload-cursor.ts'
import { skipOf } from './avro-check.ts'
import { unitsPerMs } from './avro-type.ts'

// Generates a function that fills columns from Avro values, without creating a value.
// https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

/**
 * Compiles the scan of values of a type; `null`: they cannot be scanned. avsc and the schema of the
 * topology, `plain`, accept the values that it accepts, with the same fields, and decide the rest.
 */
export function compileAvroScan(
  type: Type,
  plain: PlainObject,
  forms: readonly ColumnForm[],
): RowScan | null {
  const compiler = new Compiler(forms)
  const code = compiler.value(type, plain, [])
  if (code === null) return null
  const { skippers, words, filled } = compiler
  const texts = { isOneOf, isIsoTime, isUtcTime, codePoints, utf16Units, pastWide, words }
  const helpers = { ...texts, skippers, refusalOf, cursor: new PayloadCursor() }
  const make = generated(
    Object.keys(helpers),
    `return function scanAvro(place, columns, row) {
      const { memory: { view, bytes }, to: end } = place
      const { capacity, states, numbers, starts, ends } = columns
      let at = place.from
      let byte = 0, low = 0, x = 0, unit = 0, start = 0, stop = 0, cell = 0
      let isWide = false
      ${skippers.length > 0 ? 'cursor.begin(bytes, at, end)' : ''}
      ${absentCode(forms.length, filled)}
      ${code}
      return at === end
    }`,
  ) as ((...values: readonly unknown[]) => RowScan) | null
  return make?.(...Object.values(helpers)) ?? null
}

function isOneOf(text: Uint8Array, words: readonly Buffer[]): boolean {
  return words.some((word) => word.equals(text))
}

/** Code that moves `at` behind a value, or returns false; `null`: its values cannot be scanned. */
type Code = string | null

class Compiler {
  readonly skippers: Walk[] = []
  readonly words: (readonly Buffer[])[] = []
  readonly filled = new Set<number>()
  readonly #forms: readonly string[]

  constructor(forms: readonly ColumnForm[]) {
    this.#forms = forms.map(({ path }) => JSON.stringify(path))
  }

  value(type: Type, plain: PlainValue, path: FieldPath): Code {
    if (plain.kind === 'opaque' || plain.kind === 'union') return null
    if (isUnion(type)) return this.#maybe(type, plain, path)
    if (plain.kind === 'object')
      return type.typeName === 'record' ? this.#record(type, plain, path) : null
    return this.#scalar(type, plain, path)
  }

  #record(type: Type, plain: PlainObject, path: FieldPath): Code {
    const { fields } = type as types.RecordType
    const wanted = new Map(plain.fields.map((field) => [field.name, field]))
    const isMissing = plain.fields.some(
      ({ name, isOptional }) => !isOptional && !fields.some((field) => field.name === name),
    )
    if (isMissing) return null
    const codes = fields.map(({ name, type: fieldType }) => {
      const field = wanted.get(name)
      if (field === undefined) return this.#skip(fieldType)
      return this.value(fieldType, field.value, [...path, name])
    })
    return codes.includes(null) ? null : codes.join('\n')
  }

  #maybe(type: types.UnwrappedUnionType, plain: PlainObject | Scalar, path: FieldPath): Code {
    const [first, second, ...others] = type.types
    if (first === undefined || second === undefined || others.length > 0) return null
    const member = first.typeName === 'null' ? second : first
    const nullIndex = first.typeName === 'null' ? 0 : 1
    if (type.types[nullIndex]?.typeName !== 'null') return null
    const code = this.value(member, plain, path)
    if (code === null) return null
    // A null object gives its fields no value, so the function that reads one needs the event.
    const within = plain.kind === 'object' ? 'return false' : this.#put(path, NULL)
    const isNull = plain.isNullable ? within : 'return false'
    return `byte = bytes[at++]
      if (byte === ${nullIndex * 2}) { ${isNull} }
      else if (byte === ${2 - nullIndex * 2}) { ${code} }
      else return false`
  }

  #scalar(type: Type, { text, number, booleans }: Scalar, path: FieldPath): Code {
    const read = numberCode(type)
    if (read !== null) {
      return number === null ? null : [read, ruleCode(number), this.#putNumber(path)].join('\n')
    }
    if (type.typeName === 'string') return text === null ? null : this.#text(text, path)
    if (type.typeName !== 'boolean' || booleans.length === 0) return null
    return `byte = bytes[at++]
      if (byte > 1) return false
      ${booleans.length === 2 ? '' : `if ((byte === 1) !== ${booleans[0]}) return false`}
      x = byte
      ${this.#putNumber(path)}`
  }

  #text(
    { minLength, maxLength, oneOf, time }: NonNullable<Scalar['text']>,
    path: FieldPath,
  ): string {
    const isBounded = minLength > 0 || maxLength < Infinity
    const w = oneOf === null ? -1 : this.words.push(oneOf.map((word) => Buffer.from(word))) - 1
    const column = this.#columnOf(path)
    const isRead = column >= 0 || isBounded
    return `${LENGTH}
      start = at
      stop = at + x
      ${isRead ? textCode(isBounded) : ''}
      at = stop
      ${isBounded ? lengthCode(minLength, maxLength, 'stop') : ''}
      ${timeCode(time, 'stop')}
      ${w < 0 ? '' : `if (!isOneOf(bytes.subarray(start, stop), words[${w}])) return false`}
      ${this.#put(path, PRESENT)}`
  }

  #skip(type: Type): string {
    switch (type.typeName) {
      case 'null':
        return ''
      case 'boolean':
        return 'if (bytes[at++] > 1) return false'
      case 'float':
        return 'at += 4'
      case 'double':
        return 'at += 8'
      case 'int':
      case 'long':
        return numberCode(type) as string
      case 'string':
        return `${LENGTH}\nstop = at + x\n${SKIP_TEXT}`
      case 'bytes':
        return `${LENGTH}\nat += x`
      default: {
        const s = this.skippers.push(skipOf(type)) - 1
        return `cursor.at = at\nif (refusalOf(skippers[${s}], cursor) !== null) return false\nat = cursor.at`
      }
    }
  }

  #putNumber(path: FieldPath): string {
    const column = this.#columnOf(path)
    if (column < 0) return ''
    return `start = stop = at
      ${this.#put(path, PRESENT)}
      numbers[cell] = x`
  }

  #put(path: FieldPath, state: number): string {
    const column = this.#columnOf(path)
    this.filled.add(column)
    return putCode(column, state, 'stop')
  }

  #columnOf(path: FieldPath): number {
    return this.#forms.indexOf(JSON.stringify(path))
  }
}

function isUnion(type: Type): type is types.UnwrappedUnionType {
  return type.typeName === 'union:unwrapped' || type.typeName === 'union:wrapped'
}

/** Reads a zigzag varint of up to eight bytes, within ±2^52, into `x`. */
const LONG = `
  low = byte = bytes[at++]
  x = byte & 0x7f
  for (unit = 128; byte > 0x7f; unit *= 128) {
    if (unit > ${2 ** 49}) return false
    byte = bytes[at++]
    x += (byte & 0x7f) * unit
  }
  if (x > ${Number.MAX_SAFE_INTEGER}) return false
  x = (low & 1) === 0 ? x / 2 : -(x + 1) / 2
`

/** Code that reads a number into `x`; `null`: the type is not a number. */
function numberCode(type: Type): string | null {
  const units = unitsPerMs(type)
  if (units !== null) return `${LONG}\nx = Math.floor(x / ${units})`
  switch (type.typeName) {
    case 'int':
      return `${LONG}\nif ((x | 0) !== x) return false\n`
    case 'long':
      return LONG
    case 'float':
      return floatCode('Float32', 4)
    case 'double':
      return floatCode('Float64', 8)
    default:
      return null
  }
}

const LENGTH = `${LONG}
  if (!(x >= 0 && at + x <= end)) return false`

function floatCode(kind: 'Float32' | 'Float64', bytes: number): string {
  return `if (at + ${bytes} > end) return false
    x = view.get${kind}(at, true)
    if (x - x !== 0) return false
    at += ${bytes}
`
}

const SKIP_TEXT = `while (at < stop) {
    if (bytes[at] < 0x80) at++
    else if ((at = pastWide(bytes, at, stop)) < 0) return false
  }`

/** Code that checks a text: JSON would need no escapes for it. */
function textCode(isBounded: boolean): string {
  return `${isBounded ? 'isWide = false' : ''}
    while (at < stop) {
      byte = bytes[at]
      if (byte < 0x80) {
        if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return false
        at++
      } else {
        at = pastWide(bytes, at, stop)
        if (at < 0) return false
        ${isBounded ? 'isWide = true' : ''}
      }
    }`
}
