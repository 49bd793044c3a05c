import { Constant } from '../../kernel/byte-room.ts'
import { generated } from '../../kernel/generated.ts'
import type { Expression } from '../../topology/function-reading.ts'
import { equalityTest } from './equality.ts'
import type { Known, KnownObject } from './known-values.ts'
import {
  booleanSegment,
  commaSegment,
  constantSegment,
  featureSegment,
  numberSegment,
  optionalSegment,
  type Segment,
  type SegmentAfter,
  scoreSegment,
  testSegment,
  textSegment,
} from './segments.ts'

/** An encoder, or why there is none: then the author's function is to be called. */
export type Compiled =
  | { readonly encoder: OutputEncoder; readonly reason: null }
  | { readonly encoder: null; readonly reason: string }

/**
 * An encoder of what an author's function makes of `argument`. It writes what `JSON.stringify`
 * makes of the function's result, byte for byte. There is none for a value that is not known, for
 * an object that is not known as a whole, and where the result itself may be `undefined`.
 */
export function compileEncoder(expression: Expression, argument: KnownObject): Compiled {
  const compiler = new Compiler(argument)
  const encoder = compiler.encoder(expression)
  const [reason] = compiler.reasons
  return reason === undefined ? { encoder, reason: null } : { encoder: null, reason }
}

/** Writes outputs as JSON in UTF-8, straight from columns. */
export class OutputEncoder {
  /**
   * Appends row `i`'s output. Its scores must be finite: a row on which the model has failed has no
   * output.
   */
  readonly append: Segment

  constructor(segments: readonly Segment[]) {
    this.append = oneAfterTheOther(segments)
  }
}

/** Calls each segment in a line of its own, where V8 sees which one it is and can take it in. */
function oneAfterTheOther(segments: readonly Segment[]): Segment {
  const names = segments.map((_, s) => `segment${s}`)
  const calls = names.map((name) => `${name}(i, rows, into)`).join('\n')
  const make = generated(names, `return function append(i, rows, into) {\n${calls}\n}`) as
    | ((...all: readonly Segment[]) => Segment)
    | null
  return make?.(...segments) ?? inLoop(segments)
}

/** Where no code can be generated. */
function inLoop(segments: readonly Segment[]): Segment {
  return (i, rows, into) => {
    for (const segment of segments) segment(i, rows, into)
  }
}

/** A constant piece of JSON, or what writes one. */
type Piece = string | SegmentAfter

interface Value {
  readonly pieces: readonly Piece[]
  /** The event's column that may have nothing for it; `null`: it is always there. */
  readonly optional: number | null
}

type Field = readonly [name: string, value: Value]

class Compiler {
  /** Why there is no encoder. */
  readonly reasons: string[] = []
  readonly #argument: KnownObject

  constructor(argument: KnownObject) {
    this.#argument = argument
  }

  encoder(expression: Expression): OutputEncoder {
    const { pieces, optional } = this.#value(expression)
    if (optional !== null) this.reasons.push('the output itself may be undefined')
    return new OutputEncoder(segmentsOf(pieces))
  }

  #value(expression: Expression): Value {
    switch (expression.is) {
      case 'literal':
        return certain(JSON.stringify(expression.value))
      case 'pick':
        return this.#picked(expression.path)
      case 'object':
        return this.#object(expression.fields)
      case 'equals':
        return this.#equality(expression)
    }
  }

  #picked(path: readonly string[]): Value {
    const known = this.#find(path)
    return known === null ? NOTHING : this.#known(known, path)
  }

  #known(known: Known, path: readonly string[]): Value {
    if (known.is !== 'object') return leaf(known)
    if (!known.isWhole) this.reasons.push(`not all fields of ${textOf(path)} are known`)
    const fields = Object.entries(known.fields)
    return objectOf(fields.map(([name, field]) => [name, this.#known(field, [...path, name])]))
  }

  #object(fields: readonly (readonly [name: string, Expression])[]): Value {
    const names = new Set(fields.map(([name]) => name))
    if (names.size < fields.length) this.reasons.push('an object has two fields of one name')
    if (names.has('__proto__')) this.reasons.push('__proto__ is no field like others')
    return objectOf(fields.map(([name, expression]) => [name, this.#value(expression)]))
  }

  #equality({ path, to, negated }: Extract<Expression, { is: 'equals' }>): Value {
    const known = this.#find(path)
    if (known === null) return NOTHING
    // An object is none of the values that there are to compare with.
    if (known.is === 'object') return certain(String(negated))
    const isEqual = equalityTest(known, to)
    return certain(testSegment((i, rows) => isEqual(i, rows) !== negated))
  }

  #find(path: readonly string[]): Known | null {
    let known: Known = this.#argument
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

const NOTHING: Value = { pieces: [], optional: null }

function certain(piece: Piece): Value {
  return { pieces: [piece], optional: null }
}

function leaf(known: Exclude<Known, KnownObject>): Value {
  switch (known.is) {
    case 'constant':
      return certain(JSON.stringify(known.value))
    case 'score':
      return certain(scoreSegment(known.column))
    case 'feature':
      return certain(featureSegment(known.index, known.width))
    case 'field':
      return {
        pieces: [FIELD_SEGMENTS[known.type](known.column)],
        optional: known.optional ? known.column : null,
      }
  }
}

const FIELD_SEGMENTS = { text: textSegment, number: numberSegment, boolean: booleanSegment }

/**
 * Its fields in the order in which JavaScript keeps them: names that are array indices come first.
 */
function objectOf(fields: readonly Field[]): Value {
  const pieces: Piece[] = ['{']
  let before: Piece | null = null
  for (const [name, value] of Object.entries(Object.fromEntries(fields))) {
    const field = [`${JSON.stringify(name)}:`, ...value.pieces]
    if (value.optional !== null) {
      pieces.push(optionalSegment(value.optional, segmentsOf(field)))
      // Once a field has come for certain, a comma needs no look.
      before ??= commaSegment
    } else {
      pieces.push(...(before === null ? field : [before, ...field]))
      before = ','
    }
  }
  return { pieces: [...pieces, '}'], optional: null }
}

/** Constant pieces that follow one another are written as one, by the segment behind them. */
function segmentsOf(pieces: readonly Piece[]): Segment[] {
  const segments: Segment[] = []
  let before = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') before += piece
    else {
      segments.push(piece(new Constant(before)))
      before = ''
    }
  }
  return before === '' ? segments : [...segments, constantSegment(new Constant(before))]
}

function textOf(path: readonly string[]): string {
  return path.length === 0 ? 'the argument' : path.join('.')
}
