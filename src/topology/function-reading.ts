import {
  functionIn,
  functionTree,
  type NodeOf,
  orRefusal,
  returnedBy,
  SourceRefusal,
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
  /** A field as a time: see {@link TIME}. It throws if the field is not such a time. */
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
type Reading = { readonly expression: Expression } | { readonly why: string }

const readings = new WeakMap<object, Reading>()

export function readFunction(authorFunction: (...args: never[]) => unknown): Reading {
  const cachedReading = readings.get(authorFunction)
  if (cachedReading !== undefined) return cachedReading
  const reading = orRefusal(() => ({ expression: expressionOf(authorFunction) }))
  readings.set(authorFunction, reading)
  return reading
}

/** @throws SourceRefusal */
function expressionOf(authorFunction: (...args: never[]) => unknown): Expression {
  const time = (authorFunction as { readonly [TIME]?: TimeReading })[TIME]
  // Not the function's own `toString`, which it may have overridden.
  if (time === undefined) return readText(readFunction.toString.call(authorFunction))
  const expression = expressionOf(time.of)
  if (expression.is !== 'pick') throw new SourceRefusal('it does not pick a field')
  return { is: 'time', path: expression.path, unit: time.unit }
}

function readText(text: string): Expression {
  const tree = functionTree(text)
  if (tree === null) throw new SourceRefusal('it has no source that can be read')
  const node = functionIn(tree)
  if (node === null) throw new SourceRefusal('it is neither a function nor a method')
  if (node.async) throw new SourceRefusal('it is async')
  if (node.generator) throw new SourceRefusal('it is a generator')
  if (node.params.length > 1) throw new SourceRefusal('it has more than one parameter')
  const names = new Names()
  const [parameter] = node.params
  if (parameter !== undefined) names.bind(parameter, [])
  const returned = returnedBy(node)
  if (returned === null) throw new SourceRefusal('its body is not a single `return`')
  const expression = read(returned, names)
  if (names.areAllUsedBy(expression)) return expression
  throw new SourceRefusal('it destructures something and uses nothing of it')
}

/** The names that a parameter binds, with the path in the argument that each stands for. */
class Names {
  readonly #paths = new Map<string, readonly string[]>()
  /** Paths that are destructured: that throws if there is `null`, even if no name is used. */
  readonly #destructured: (readonly string[])[] = []

  get(name: string): readonly string[] | undefined {
    return this.#paths.get(name)
  }

  bind(pattern: SyntaxNode, path: readonly string[]): void {
    if (pattern.type === 'Identifier') this.#paths.set(pattern.name, path)
    else if (pattern.type === 'ObjectPattern') this.#destructure(pattern, path)
    else throw new SourceRefusal(WHY_NO_PARAMETER[pattern.type] ?? 'its parameter is not plain')
  }

  /** Whether an expression reads a field of all that is destructured: so it throws as often. */
  areAllUsedBy(expression: Expression): boolean {
    const paths = pathsIn(expression)
    return this.#destructured.every((path) => paths.some((longer) => isWithin(longer, path)))
  }

  #destructure({ properties }: NodeOf<'ObjectPattern'>, path: readonly string[]): void {
    this.#destructured.push(path)
    for (const property of properties) {
      if (property.type === 'RestElement') this.bind(property, path)
      else this.bind(property.value, [...path, nameOf(property)])
    }
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

function read(node: SyntaxNode, names: Names): Expression {
  const value = constantOf(node)
  if (value !== undefined) return { is: 'literal', value }
  if (node.type === 'Identifier') {
    const path = names.get(node.name)
    if (path === undefined) throw new SourceRefusal(`it captures \`${node.name}\``)
    return { is: 'pick', path }
  }
  if (node.type === 'MemberExpression') return readMember(node, names)
  if (node.type === 'ObjectExpression') return readObject(node, names)
  if (node.type === 'BinaryExpression') return readComparison(node, names)
  if (node.type === 'CallExpression') throw new SourceRefusal(`it calls ${calledBy(node.callee)}`)
  if ('operator' in node) throw usesOperator(node.operator)
  throw new SourceRefusal(WHY[node.type] ?? 'it does more than pick fields')
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

function usesOperator(operator: string): SourceRefusal {
  return new SourceRefusal(`it uses the operator \`${operator}\``)
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

/** The field that a node reads or writes; refused: one that every object has, never missing. */
function nameOf(node: Named): string {
  const key = node.type === 'MemberExpression' ? node.property : node.key
  const text = !node.computed && key.type === 'Identifier' ? key.name : constantOf(key)
  if (typeof text !== 'string') {
    throw new SourceRefusal('it uses a field name that is not a constant string')
  }
  if (Object.hasOwn(Object.prototype, text))
    throw new SourceRefusal(`every object has a \`${text}\``)
  return text
}

function readMember(node: NodeOf<'MemberExpression'>, names: Names): Expression {
  const object = read(node.object, names)
  if (object.is !== 'pick') throw new SourceRefusal('it reads a field of a value that it created')
  return { is: 'pick', path: [...object.path, nameOf(node)] }
}

function readObject({ properties }: NodeOf<'ObjectExpression'>, names: Names): Expression {
  const fields = new Map<string, Expression>()
  for (const property of properties) {
    if (property.type === 'SpreadElement') throw new SourceRefusal('it spreads an object')
    if (property.kind !== 'init') throw new SourceRefusal('it makes a getter or a setter')
    const name = nameOf(property)
    // JavaScript puts such fields first, in numeric order.
    if (/^\d+$/.test(name)) throw new SourceRefusal(`it names a field \`${name}\``)
    if (fields.has(name)) throw new SourceRefusal(`it writes \`${name}\` twice`)
    fields.set(name, read(property.value, names))
  }
  return { is: 'object', fields: [...fields] }
}

function readComparison(node: NodeOf<'BinaryExpression'>, names: Names): Expression {
  const negated = node.operator === '!=='
  if (!negated && node.operator !== '===') throw usesOperator(node.operator)
  const sides = [read(node.left, names), read(node.right, names)]
  const pick = sides.find((side) => side.is === 'pick')
  const literal = sides.find((side) => side.is === 'literal')
  if (pick === undefined || literal === undefined) {
    throw new SourceRefusal('it compares something other than a field with a constant')
  }
  return { is: 'equals', path: pick.path, to: literal.value, negated }
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
