import {
  functionIn,
  functionTree,
  type NodeOf,
  returnedBy,
  type SyntaxNode,
} from './function-source.ts'

// The result of an author's function, read from its source, so that it need not be called for each
// event. A function whose source does not determine the result, for any argument, is refused.

/** The result of a function, in terms of its argument. */
export type Expression =
  /**
   * A field of the argument, at a path of field names; empty: the argument itself. It throws a
   * TypeError if there is `null` or `undefined` along the path. A string or an array along it has
   * its built-in fields, such as `length`.
   */
  | { readonly is: 'pick'; readonly path: readonly string[] }
  | { readonly is: 'literal'; readonly value: Constant }
  /** A new object. No name occurs twice, is a whole number, or is one that every object has. */
  | { readonly is: 'object'; readonly fields: readonly Field[] }
  /** `===`, or `!==` if negated. The path is read like that of a `pick`. */
  | {
      readonly is: 'equals'
      readonly path: readonly string[]
      readonly to: Constant
      readonly negated: boolean
    }
  /** A field as a time: see {@link TIME}. It throws if the field is no such time. */
  | { readonly is: 'time'; readonly path: readonly string[]; readonly unit: TimeUnit }
type Field = readonly [name: string, Expression]
export type TimeUnit = 'iso' | 'seconds' | 'microseconds'

/** Marks a function that reads a time, also of another copy of this package. */
export const TIME = Symbol.for('tidemark.time')

export interface TimeReading {
  /** Gives the time as events have it. */
  readonly of: (...args: never[]) => unknown
  readonly unit: TimeUnit
}
/** A constant in the source; numbers are finite. */
type Constant = string | number | boolean | null

/** `why`: it is refused, such as because "it calls toFixed". */
type Reading = { readonly expression: Expression } | Refusal
interface Refusal {
  readonly why: string
}

const readings = new WeakMap<object, Reading>()

export function readFunction(of: (...args: never[]) => unknown): Reading {
  const known = readings.get(of)
  if (known !== undefined) return known
  const time = (of as { readonly [TIME]?: TimeReading })[TIME]
  // Not the function's own `toString`, which it may have overridden.
  const reading = time === undefined ? readText(readFunction.toString.call(of)) : readTime(time)
  readings.set(of, reading)
  return reading
}

function readTime({ of, unit }: TimeReading): Reading {
  const reading = readFunction(of)
  if ('why' in reading) return reading
  const { expression } = reading
  if (expression.is !== 'pick') return { why: 'it does not pick a field' }
  return { expression: { is: 'time', path: expression.path, unit } }
}

function readText(text: string): Reading {
  const tree = functionTree(text)
  if (tree === null) return { why: 'it has no source that can be read' }
  const node = functionIn(tree)
  if (node === null) return { why: 'it is neither a function nor a method' }
  if (node.async) return { why: 'it is async' }
  if (node.generator) return { why: 'it is a generator' }
  if (node.params.length > 1) return { why: 'it has more than one parameter' }
  const names = new Names()
  const [parameter] = node.params
  const why = parameter === undefined ? null : names.bind(parameter, [])
  if (why !== null) return { why }
  const returned = returnedBy(node)
  if (returned === null) return { why: 'its body is not a single `return`' }
  const reading = read(returned, names)
  if ('why' in reading || names.areAllUsedBy(reading.expression)) return reading
  return { why: 'it destructures something and uses nothing of it' }
}

/** The names that a parameter binds, with the path in the argument that each stands for. */
class Names {
  readonly #paths = new Map<string, readonly string[]>()
  /** Paths that are destructured: that throws if there is `null`, even if no name is used. */
  readonly #destructured: (readonly string[])[] = []

  get(name: string): readonly string[] | undefined {
    return this.#paths.get(name)
  }

  /** Binds the names of a pattern. @returns why it cannot; `null`: it has */
  bind(pattern: SyntaxNode, path: readonly string[]): string | null {
    if (pattern.type === 'Identifier') this.#paths.set(pattern.name, path)
    else if (pattern.type === 'ObjectPattern') return this.#destructure(pattern, path)
    else return WHY_NO_PARAMETER[pattern.type] ?? 'its parameter is not plain'
    return null
  }

  /** Whether an expression reads a field of all that is destructured: so it throws as often. */
  areAllUsedBy(expression: Expression): boolean {
    const paths = pathsIn(expression)
    return this.#destructured.every((path) => paths.some((longer) => isWithin(longer, path)))
  }

  #destructure({ properties }: NodeOf<'ObjectPattern'>, path: readonly string[]): string | null {
    this.#destructured.push(path)
    for (const property of properties) {
      if (property.type === 'RestElement') return this.bind(property, path)
      const name = nameOf(property)
      const why = name.why ?? this.bind(property.value, [...path, name.text])
      if (why !== null) return why
    }
    return null
  }
}

function isWithin(longer: readonly string[], path: readonly string[]): boolean {
  return longer.length > path.length && path.every((name, i) => name === longer[i])
}

/** The paths that an expression reads. */
export function pathsIn(expression: Expression): (readonly string[])[] {
  if (expression.is === 'literal') return []
  if (expression.is === 'object') return expression.fields.flatMap(([, inner]) => pathsIn(inner))
  return [expression.path]
}

function read(node: SyntaxNode, names: Names): Reading {
  const value = constantOf(node)
  if (value !== undefined) return { expression: { is: 'literal', value } }
  if (node.type === 'Identifier') {
    const path = names.get(node.name)
    return path === undefined
      ? { why: `it captures \`${node.name}\`` }
      : { expression: { is: 'pick', path } }
  }
  if (node.type === 'MemberExpression') return readMember(node, names)
  if (node.type === 'ObjectExpression') return readObject(node, names)
  if (node.type === 'BinaryExpression') return readComparison(node, names)
  if (node.type === 'CallExpression') return { why: `it calls ${calledBy(node.callee)}` }
  if ('operator' in node) return operatorIn(node)
  return { why: WHY[node.type] ?? 'it does more than pick fields' }
}

type Reasons = Readonly<Partial<Record<SyntaxNode['type'], string>>>

const WHY: Reasons = {
  ArrayExpression: 'it makes an array',
  ArrowFunctionExpression: 'it makes a function',
  ChainExpression: 'it uses the operator `?.`',
  ConditionalExpression: 'it uses the operator `?:`',
  FunctionExpression: 'it makes a function',
  NewExpression: 'it uses `new`',
  TemplateLiteral: 'it fills in a template',
  ThisExpression: 'it uses `this`',
}

const WHY_NO_PARAMETER: Reasons = {
  ArrayPattern: 'its parameter destructures an array',
  AssignmentPattern: 'its parameter has a default',
  RestElement: 'its parameter has a rest element',
}

function operatorIn({ operator }: { operator: string }): Refusal {
  return { why: `it uses the operator \`${operator}\`` }
}

/** The value of a constant; `undefined`: it is not one. Minified code has `!0` for `true`. */
function constantOf(node: SyntaxNode): Constant | undefined {
  if (node.type === 'TemplateLiteral') {
    return node.expressions.length === 0 ? (node.quasis[0]?.value.cooked ?? undefined) : undefined
  }
  if (node.type === 'UnaryExpression') {
    const value = node.argument.type === 'Literal' ? constantOf(node.argument) : undefined
    if (typeof value !== 'number') return undefined
    return node.operator === '-' ? -value : node.operator === '!' ? value === 0 : undefined
  }
  if (node.type !== 'Literal') return undefined
  const { value, raw } = node
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return raw === 'null' ? null : undefined
}

type ObjectProperty = NodeOf<'ObjectExpression' | 'ObjectPattern'>['properties'][number]
type Named = Extract<ObjectProperty, { type: 'Property' }> | NodeOf<'MemberExpression'>
type Name = { readonly text: string; readonly why: null } | (Refusal & { readonly text?: never })

/** The field that a node reads or writes; refused: one that every object has, never missing. */
function nameOf(node: Named): Name {
  const key = node.type === 'MemberExpression' ? node.property : node.key
  const text = !node.computed && key.type === 'Identifier' ? key.name : constantOf(key)
  if (typeof text !== 'string') return { why: 'it uses a field name that is not a constant string' }
  const isEverywhere = Object.hasOwn(Object.prototype, text)
  return isEverywhere ? { why: `every object has a \`${text}\`` } : { text, why: null }
}

function readMember(node: NodeOf<'MemberExpression'>, names: Names): Reading {
  const of = read(node.object, names)
  if ('why' in of) return of
  if (of.expression.is !== 'pick') return { why: 'it reads a field of a value that it created' }
  const name = nameOf(node)
  if (name.why !== null) return { why: name.why }
  return { expression: { is: 'pick', path: [...of.expression.path, name.text] } }
}

function readObject({ properties }: NodeOf<'ObjectExpression'>, names: Names): Reading {
  const fields = new Map<string, Expression>()
  for (const property of properties) {
    if (property.type === 'SpreadElement') return { why: 'it spreads an object' }
    if (property.kind !== 'init') return { why: 'it makes a getter or a setter' }
    const { text, why } = nameOf(property)
    if (why !== null) return { why }
    // JavaScript puts such fields first, in numeric order.
    if (/^\d+$/.test(text)) return { why: `it names a field \`${text}\`` }
    if (fields.has(text)) return { why: `it writes \`${text}\` twice` }
    const reading = read(property.value, names)
    if ('why' in reading) return reading
    fields.set(text, reading.expression)
  }
  return { expression: { is: 'object', fields: [...fields] } }
}

function readComparison(node: NodeOf<'BinaryExpression'>, names: Names): Reading {
  const negated = node.operator === '!=='
  if (!negated && node.operator !== '===') return operatorIn(node)
  const left = read(node.left, names)
  const right = read(node.right, names)
  if ('why' in left) return left
  if ('why' in right) return right
  const sides = [left.expression, right.expression]
  const pick = sides.find((side) => side.is === 'pick')
  const literal = sides.find((side) => side.is === 'literal')
  if (pick === undefined || literal === undefined) {
    return { why: 'it compares something other than a field with a constant' }
  }
  return { expression: { is: 'equals', path: pick.path, to: literal.value, negated } }
}

/** `toFixed` of `p.amount.toFixed`, `f` of `f` and of a loader's `(0, module.f)`. */
function calledBy(callee: SyntaxNode): string {
  if (callee.type === 'Identifier') return callee.name
  if (callee.type === 'SequenceExpression') {
    const last = callee.expressions.at(-1)
    return last === undefined ? 'a function' : calledBy(last)
  }
  const isNamed = callee.type === 'MemberExpression' && callee.property.type === 'Identifier'
  return isNamed && !callee.computed ? calledBy(callee.property) : 'a function'
}
