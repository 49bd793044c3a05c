import {
  type AnyNode,
  type Expression,
  type Identifier,
  type Node,
  type PrivateIdentifier,
  parse,
  type Super,
} from 'acorn'
import { full, make, simple } from 'acorn-walk'

// The source of an author's function: its tree, the arguments that it uses, and the names besides.

export type SyntaxNode = AnyNode

/** Parses the source of a function; `null`: it cannot be parsed, such as that of a native one. */
export function functionTree(text: string): SyntaxNode | null {
  const options = {
    ecmaVersion: 'latest',
    sourceType: 'module',
    checkPrivateFields: false,
  } as const
  // An arrow or a function; else a method of an object; else a static method of a class.
  for (const whole of [`(${text}\n)`, `({${text}\n})`, `(class {${text}\n})`]) {
    try {
      return parse(whole, options)
    } catch {}
  }
  return null
}

export type NodeOf<Type> = Extract<SyntaxNode, { type: Type }>
export type FunctionNode = NodeOf<'ArrowFunctionExpression' | 'FunctionExpression'>

/** The function in a tree: the expression itself, or the only method of an object. */
export function functionIn(tree: SyntaxNode): FunctionNode | null {
  const [statement] = tree.type === 'Program' ? tree.body : []
  if (statement?.type !== 'ExpressionStatement') return null
  const { expression } = statement
  if (isFunction(expression)) return expression
  const [method] = expression.type === 'ObjectExpression' ? expression.properties : []
  if (method?.type !== 'Property' || !method.method) return null
  return isFunction(method.value) ? method.value : null
}

/** The function itself in its source; `null`: it has none that can be read. */
export function functionNode(authorFunction: (...args: never[]) => unknown): FunctionNode | null {
  // Not the function's own `toString`, which it may have overridden.
  const tree = functionTree(functionNode.toString.call(authorFunction))
  return tree === null ? null : functionIn(tree)
}

function isFunction(node: SyntaxNode): node is FunctionNode {
  return node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression'
}

/** The returned expression: `x` of `x` and of `{ return x }`; `null`: the body does more. */
export function returnedBy({ body }: FunctionNode): SyntaxNode | null {
  if (body.type !== 'BlockStatement') return body
  const [only, ...more] = body.body
  return only?.type === 'ReturnStatement' && more.length === 0 ? (only.argument ?? null) : null
}

/** Visits no default value and no computed key. */
const PATTERNS_ALONE = make({ Expression: () => undefined })

/** The names that a pattern binds, such as `{ a, b: [c = 1], ...rest }`. */
export function boundBy(id: unknown): string[] {
  const names: string[] = []
  const declarator = { type: 'VariableDeclarator', id } as unknown as SyntaxNode
  const note = (node: Node, _: unknown, as: string) => {
    if (as === 'VariablePattern') names.push((node as Identifier).name)
  }
  full(declarator, note, PATTERNS_ALONE)
  return names
}

/** Source that is not read further. The message says why: "it calls toFixed". */
export class SourceRefusal extends Error {}

/** The result of a reading, or why the source is refused. */
export function orRefusal<T>(read: () => T): T | { readonly why: string } {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof SourceRefusal) return { why: thrown.message }
    throw thrown
  }
}

/** Whether a function may read its second argument. One whose source cannot be read may. */
export function takesSecond(authorFunction: (...args: never[]) => unknown): boolean {
  const node = functionNode(authorFunction)
  if (node === null) return true
  return node.params.length > 1 || node.params[0]?.type === 'RestElement'
}

/**
 * The fields that a function reads of an argument: `a` and `b` in `(_, f) => f.a > 1 && f.b > 1`
 * and in `(_, { a, b }) => …`; `null`: its source does not tell. @param argument its number, from 0
 */
export function fieldsRead(
  authorFunction: (...args: never[]) => unknown,
  argument: number,
): readonly string[] | null {
  const node = functionNode(authorFunction)
  if (node === null) return null
  const { params, body } = node
  // A rest element may hold this argument, and the default of another parameter may read it.
  const plain = params.every(({ type }) => type === 'Identifier' || type === 'ObjectPattern')
  if (!plain || uses(body, 'arguments') > 0) return null
  const parameter = params[argument]
  if (parameter === undefined) return []
  if (parameter.type === 'ObjectPattern') return namesOf(parameter)
  return parameter.type === 'Identifier' ? fieldsOf(parameter.name, body) : null
}

function uses(body: SyntaxNode, name: string): number {
  let times = 0
  full(body, (node) => {
    if (isNamed(node, name)) times++
  })
  return times
}

function isNamed(node: SyntaxNode, name: string): boolean {
  return node.type === 'Identifier' && node.name === name
}

function namesOf({ properties }: NodeOf<'ObjectPattern'>): readonly string[] | null {
  const names = properties.map((property) =>
    property.type === 'Property' ? nameIn(property.key, property.computed) : null,
  )
  return names.every((name) => name !== null) ? names : null
}

/** The name of a property, `a` in `e.a`, `e['a']` and `{ a }`; `null`: its source does not tell. */
export function nameIn(key: SyntaxNode, computed: boolean): string | null {
  if (key.type === 'Literal' && typeof key.value === 'string') return key.value
  return key.type === 'Identifier' && !computed ? key.name : null
}

/** The fields that are picked of a name; `null`: it is used in another way, too. */
function fieldsOf(name: string, body: SyntaxNode): readonly string[] | null {
  const fields: string[] = []
  let isCalled = false
  full(body, (node) => {
    // A method has the whole argument, as its `this`.
    if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
      isCalled ||= isNamed(node.callee.object, name)
    }
    if (node.type !== 'MemberExpression' || !isNamed(node.object, name)) return
    const field = nameIn(node.property, node.computed)
    if (field !== null) fields.push(field)
  })
  return fields.length === uses(body, name) && !isCalled ? [...new Set(fields)] : null
}

// An author's functions must be pure, because a replay must give the same results. An impure name
// is a note, not an error: it may be the author's own, and functions that are called are not seen.

const CLOCK = 'take the time from the event'
const CHANCE = 'derive it from the event, such as from its id'
const OUTSIDE = 'put it into the event or a lookup table'
/** By name: the advice to its author. */
const IMPURE: Readonly<Record<string, string>> = {
  'Date.now': CLOCK,
  'new Date()': CLOCK,
  'Date()': CLOCK,
  'performance.now': CLOCK,
  'performance.timeOrigin': CLOCK,
  'Temporal.Now': CLOCK,
  'Math.random': CHANCE,
  'crypto.randomUUID': CHANCE,
  'crypto.getRandomValues': CHANCE,
  randomUUID: CHANCE,
  fetch: OUTSIDE,
  process: OUTSIDE,
  setTimeout: OUTSIDE,
  setInterval: OUTSIDE,
  setImmediate: OUTSIDE,
}
const GLOBALS = new Set(['globalThis', 'global'])
/** Native functions, which have no source, by their names. */
const NATIVE: Readonly<Record<string, string>> = {
  now: 'Date.now',
  random: 'Math.random',
  Date: 'Date()',
}

/** Notes on the functions of a topology that use values that may differ on a replay. */
export function purityNotes(
  topology: string,
  functions: readonly { readonly where: string; readonly of: (...args: never[]) => unknown }[],
): string[] {
  return functions.flatMap(({ where, of: authorFunction }) => {
    const names = impuritiesIn(authorFunction.toString())
    if (names.length === 0) return []
    const instead = [...new Set(names.map((name) => IMPURE[name]))].join('; ')
    const why = 'a replay, such as after a restart, may give another result for the same event'
    return [`${topology}: ${where} uses ${names.join(', ')}: ${why} (${instead})`]
  })
}

/** The impure names in the source of a function, each once: `Date.now`, `new Date()`, … */
export function impuritiesIn(text: string): string[] {
  const tree = functionTree(text)
  if (tree === null) return nativeIn(text)
  const ownNames = new Set<string>()
  full(tree, (node, _, as) => {
    if (as === 'VariablePattern') ownNames.add((node as Identifier).name)
  })
  const impurities = new Set<string>()
  const note = (name: string | null) => {
    if (name !== null && Object.hasOwn(IMPURE, name)) impurities.add(name)
  }
  simple(tree, {
    Identifier: (node) => note(globalName(node, ownNames)),
    MemberExpression: (node) => note(globalName(node, ownNames)),
    NewExpression: ({ callee, arguments: args }) => {
      if (args.length === 0) note(`new ${globalName(callee, ownNames)}()`)
    },
    CallExpression: ({ callee }) => note(`${globalName(callee, ownNames)}()`),
  })
  return [...impurities]
}

function nativeIn(text: string): string[] {
  const name = /^function (\w+)\(\) \{ \[native code\] \}$/.exec(text)?.[1]
  const nativeName = name === undefined ? undefined : NATIVE[name]
  return nativeName === undefined ? [] : [nativeName]
}

/** The global that an expression names, such as `Date.now`; `null`: none, or one of `ownNames`. */
function globalName(
  node: Expression | Super | PrivateIdentifier,
  ownNames: ReadonlySet<string>,
): string | null {
  const [root, ...rest] = namesIn(node) ?? []
  if (root === undefined || ownNames.has(root)) return null
  return (GLOBALS.has(root) ? rest : [root, ...rest]).join('.')
}

/** `['Date', 'now']` of `Date.now`, `Date['now']` and `Date?.now`. */
function namesIn(node: Expression | Super | PrivateIdentifier): string[] | null {
  if (node.type === 'Identifier') return [node.name]
  if (node.type === 'ChainExpression') return namesIn(node.expression)
  if (node.type !== 'MemberExpression') return null
  const [names, name] = [namesIn(node.object), nameIn(node.property, node.computed)]
  return names === null || name === null ? null : [...names, name]
}
