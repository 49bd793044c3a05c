import { Constant } from '../../kernel/bytes.ts'
import { generated } from '../../kernel/node.ts'
import type { Expression } from '../../topology/function-reading.ts'
import type { KnownObject, KnownValue } from './known-values.ts'
import {
  booleanSegment,
  carriedSegment,
  commaSegment,
  equalityTest,
  featureSegment,
  numberSegment,
  optionalSegment,
  type Segment,
  scoreSegment,
  testSegment,
  textSegment,
} from './segments.ts'

/**
 * Compiles an encoder of the result of an author function of `argument`, with the bytes of
 * `JSON.stringify`; `null`: a value is not wholly known, or the result may be `undefined`.
 */
export function compileEncoder(
  expression: Expression,
  argument: KnownObject,
): OutputEncoder | null {
  try {
    const { pieces, optional } = valueOf(expression, argument)
    return optional === null ? oneAfterTheOther(pieces) : null
  } catch (thrown) {
    if (thrown instanceof NotKnown) return null
    throw thrown
  }
}

/** Appends the output of row `i`, whose scores must be finite, as JSON, straight from columns. */
export type OutputEncoder = Segment

type JsonPiece = string | Segment

/** Writes each piece in its own line of code, where V8 can inline it. */
function oneAfterTheOther(pieces: readonly JsonPiece[]): Segment {
  const parts = partsOf(pieces)
  const names = parts.map((_, p) => `part${p}`)
  const lines = parts.map((part, p) =>
    part instanceof Constant ? `into.constant(part${p})` : `part${p}(i, rows, into)`,
  )
  const body = `return function append(i, rows, into) {\n${lines.join('\n')}\n}`
  const make = generated(names, body) as ((...all: typeof parts) => Segment) | null
  if (make !== null) return make(...parts)
  // No code can be generated here.
  return (i, rows, into) => {
    for (const part of parts) {
      if (part instanceof Constant) into.constant(part)
      else part(i, rows, into)
    }
  }
}

/** Joins consecutive constants. */
function partsOf(pieces: readonly JsonPiece[]): (Constant | Segment)[] {
  const parts: (Constant | Segment)[] = []
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') text += piece
    else {
      if (text !== '') parts.push(new Constant(text))
      parts.push(piece)
      text = ''
    }
  }
  return text === '' ? parts : [...parts, new Constant(text)]
}

interface ValueCode {
  readonly pieces: readonly JsonPiece[]
  /** The column that may be absent; `null`: the value is always present. */
  readonly optional: number | null
}

type FieldCode = readonly [name: string, value: ValueCode]

/** A value can only be had from the author function. */
class NotKnown extends Error {}

function valueOf(expression: Expression, argument: KnownObject): ValueCode {
  switch (expression.is) {
    case 'literal':
      return certain(JSON.stringify(expression.value))
    case 'pick':
      return codeOf(picked(expression.path, argument))
    case 'object':
      return objectOf(expression.fields.map(([name, part]) => [name, valueOf(part, argument)]))
    case 'equals':
      return equality(expression, argument)
    case 'time':
      throw new NotKnown('a time')
  }
}

function picked(path: readonly string[], argument: KnownObject): KnownValue {
  let value: KnownValue = argument
  for (const name of path) {
    const fields: KnownObject['fields'] = value.is === 'object' ? value.fields : {}
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) throw new NotKnown(name)
    value = field
  }
  return value
}

function equality(
  { path, to, negated }: Extract<Expression, { is: 'equals' }>,
  argument: KnownObject,
): ValueCode {
  const value = picked(path, argument)
  // An object never equals a literal.
  if (value.is === 'object') return certain(String(negated))
  const isEqual = equalityTest(value, to)
  return certain(testSegment((i, rows) => isEqual(i, rows) !== negated))
}

function certain(piece: JsonPiece): ValueCode {
  return { pieces: [piece], optional: null }
}

function codeOf(value: KnownValue): ValueCode {
  switch (value.is) {
    case 'object':
      if (!value.isWhole) throw new NotKnown('some of its fields')
      return objectOf(Object.entries(value.fields).map(([name, field]) => [name, codeOf(field)]))
    case 'constant':
      return certain(JSON.stringify(value.value))
    case 'score':
      return certain(scoreSegment(value.column))
    case 'feature':
      return certain(featureSegment(value.index, value.width))
    case 'carried':
      return certain(carriedSegment(value.index, value.width))
    case 'field':
      return {
        pieces: [FIELD_SEGMENTS[value.type](value.column, value.isBinary === true)],
        optional: value.optional ? value.column : null,
      }
  }
}

const FIELD_SEGMENTS = { text: textSegment, number: numberSegment, boolean: booleanSegment }

/** Writes fields in JavaScript's order: names that are array indices come first. */
function objectOf(fields: readonly FieldCode[]): ValueCode {
  const pieces: JsonPiece[] = ['{']
  let before: JsonPiece | null = null
  for (const [name, value] of Object.entries(Object.fromEntries(fields))) {
    const field = [`${JSON.stringify(name)}:`, ...value.pieces]
    if (value.optional !== null) {
      pieces.push(optionalSegment(value.optional, oneAfterTheOther(field)))
      // After a field that is always present, the comma needs no check.
      before ??= commaSegment
    } else {
      pieces.push(...(before === null ? field : [before, ...field]))
      before = ','
    }
  }
  return { pieces: [...pieces, '}'], optional: null }
}
