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

/** `reason`: why the author function is called instead. */
export type Compiled =
  | { readonly encoder: OutputEncoder; readonly reason: null }
  | { readonly encoder: null; readonly reason: string }

/**
 * Compiles an encoder of what an author function makes of `argument`, with the bytes of
 * `JSON.stringify`. Every value must be wholly known, and the result never `undefined`.
 */
export function compileEncoder(expression: Expression, argument: KnownObject): Compiled {
  const compiler = new Compiler(argument)
  const encoder = compiler.encoder(expression)
  const [reason] = compiler.reasons
  return reason === undefined ? { encoder, reason: null } : { encoder: null, reason }
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

class Compiler {
  readonly reasons: string[] = []
  readonly #argument: KnownObject

  constructor(argument: KnownObject) {
    this.#argument = argument
  }

  encoder(expression: Expression): OutputEncoder {
    const { pieces, optional } = this.#value(expression)
    if (optional !== null) this.reasons.push('the output itself may be undefined')
    return oneAfterTheOther(pieces)
  }

  #value(expression: Expression): ValueCode {
    switch (expression.is) {
      case 'literal':
        return certain(JSON.stringify(expression.value))
      case 'pick':
        return this.#picked(expression.path)
      case 'object':
        return this.#object(expression.fields)
      case 'equals':
        return this.#equality(expression)
      case 'time':
        this.reasons.push('it reads a time')
        return NOTHING
    }
  }

  #picked(path: readonly string[]): ValueCode {
    const known = this.#find(path)
    return known === null ? NOTHING : this.#known(known, path)
  }

  #known(known: KnownValue, path: readonly string[]): ValueCode {
    if (known.is !== 'object') return leaf(known)
    if (!known.isWhole) this.reasons.push(`not all fields of ${textOf(path)} are known`)
    const fields = Object.entries(known.fields)
    return objectOf(fields.map(([name, field]) => [name, this.#known(field, [...path, name])]))
  }

  #object(fields: readonly (readonly [name: string, Expression])[]): ValueCode {
    const names = new Set(fields.map(([name]) => name))
    if (names.size < fields.length) this.reasons.push('an object has two fields with the same name')
    if (names.has('__proto__')) this.reasons.push('__proto__ is not an ordinary field')
    return objectOf(fields.map(([name, expression]) => [name, this.#value(expression)]))
  }

  #equality({ path, to, negated }: Extract<Expression, { is: 'equals' }>): ValueCode {
    const known = this.#find(path)
    if (known === null) return NOTHING
    // An object never equals a literal.
    if (known.is === 'object') return certain(String(negated))
    const isEqual = equalityTest(known, to)
    return certain(testSegment((i, rows) => isEqual(i, rows) !== negated))
  }

  #find(path: readonly string[]): KnownValue | null {
    let known: KnownValue = this.#argument
    for (const name of path) {
      const fields: KnownObject['fields'] = known.is === 'object' ? known.fields : {}
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined
      if (field === undefined) {
        this.reasons.push(`${textOf(path)} is not known`)
        return null
      }
      known = field
    }
    return known
  }
}

const NOTHING: ValueCode = { pieces: [], optional: null }

function certain(piece: JsonPiece): ValueCode {
  return { pieces: [piece], optional: null }
}

function leaf(known: Exclude<KnownValue, KnownObject>): ValueCode {
  switch (known.is) {
    case 'constant':
      return certain(JSON.stringify(known.value))
    case 'score':
      return certain(scoreSegment(known.column))
    case 'feature':
      return certain(featureSegment(known.index, known.width))
    case 'carried':
      return certain(carriedSegment(known.index, known.width))
    case 'field':
      return {
        pieces: [FIELD_SEGMENTS[known.type](known.column, known.isBinary === true)],
        optional: known.optional ? known.column : null,
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

function textOf(path: readonly string[]): string {
  return path.length === 0 ? 'the argument' : path.join('.')
}
