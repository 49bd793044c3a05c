import {
  type FunctionNode,
  functionNode,
  type NodeOf,
  nameIn,
  orRefusal,
  returnedBy,
  SourceRefusal,
  type SyntaxNode,
} from './function-source.ts'

// Functions of numbers by name, such as those of derived features: their results, as code that
// reads the numbers from elsewhere. It has the author's operators, so its results are the same.

/**
 * @param at code of the number of a name; `null`: there is none
 * @returns an expression, or why the function must be called
 */
export function arithmeticOf(
  authorFunction: (...args: never[]) => unknown,
  at: (name: string) => string | null,
) {
  return orRefusal(() => {
    const node = functionNode(authorFunction)
    if (node === null) throw new SourceRefusal('it has no source that can be read')
    if (node.async || node.generator) throw new SourceRefusal('it is async or a generator')
    const returned = returnedBy(node)
    if (returned === null) throw new SourceRefusal('its body is not a single `return`')
    return { code: new Printer(node, at).print(returned) }
  })
}

type MathName = Extract<keyof Math, string>

const CONSTANTS: ReadonlySet<string> = new Set(['NaN', 'Infinity'])
const UNARY: ReadonlySet<string> = new Set(['-', '+', '!'])
const BINARY: ReadonlySet<string> = new Set([
  ...['+', '-', '*', '/', '%', '**'],
  ...['<', '<=', '>', '>=', '===', '!==', '==', '!='],
])
/** Without `??`, which may not stand beside the others. */
const LOGICAL: ReadonlySet<string> = new Set(['&&', '||'])

class Printer {
  readonly #at: (name: string) => string | null
  /** The function's own name. */
  readonly #self: string | null
  /** The parameter with all numbers; `null`: it is destructured. */
  readonly #whole: string | null
  /** Names of the destructured ones, by their own. */
  readonly #named = new Map<string, string>()

  constructor({ id, params }: FunctionNode, at: (name: string) => string | null) {
    const [parameter] = params
    this.#at = at
    this.#self = id?.name ?? null
    this.#whole = parameter?.type === 'Identifier' ? parameter.name : null
    if (params.length !== 1) throw new SourceRefusal('it does not have one parameter')
    if (this.#whole !== null) return
    if (parameter?.type !== 'ObjectPattern') throw new SourceRefusal('its parameter is not plain')
    for (const property of parameter.properties) {
      const isPlain = property.type === 'Property' && property.value.type === 'Identifier'
      const name = isPlain ? nameIn(property.key, property.computed) : null
      if (!isPlain || name === null) throw new SourceRefusal('its parameter is not plain')
      this.#named.set((property.value as { name: string }).name, name)
    }
  }

  print(node: SyntaxNode): string {
    if (node.type === 'Literal') {
      if (typeof node.value === 'number') return String(node.value)
      throw new SourceRefusal('it uses a constant that is no number')
    }
    if (node.type === 'Identifier') {
      if (CONSTANTS.has(node.name) && !this.#binds(node.name)) return node.name
      return this.#number(this.#named.get(node.name), node.name)
    }
    if (node.type === 'MemberExpression') return this.#member(node)
    if (node.type === 'CallExpression') return this.#call(node)
    if (node.type === 'UnaryExpression') {
      return `(${allowed(node.operator, UNARY)}${this.print(node.argument)})`
    }
    if (node.type === 'BinaryExpression') return this.#between(node, BINARY)
    if (node.type === 'LogicalExpression') return this.#between(node, LOGICAL)
    if (node.type !== 'ConditionalExpression') {
      throw new SourceRefusal('it does more than compute a number')
    }
    const { test, consequent, alternate } = node
    return `(${this.print(test)} ? ${this.print(consequent)} : ${this.print(alternate)})`
  }

  #call({ callee, arguments: args }: NodeOf<'CallExpression'>): string {
    const name = callee.type === 'MemberExpression' ? this.#mathOf(callee) : null
    if (name === null || typeof Math[name] !== 'function' || name === 'random') {
      throw new SourceRefusal('it calls a function that is not one of Math')
    }
    return `Math.${name}(${args.map((argument) => this.print(argument)).join(', ')})`
  }

  #between(
    { left, operator, right }: { left: SyntaxNode; operator: string; right: SyntaxNode },
    operators: ReadonlySet<string>,
  ): string {
    return `(${this.print(left)} ${allowed(operator, operators)} ${this.print(right)})`
  }

  #member(node: NodeOf<'MemberExpression'>): string {
    const constant = this.#mathOf(node)
    if (constant !== null && typeof Math[constant] === 'number') return `Math.${constant}`
    const { object } = node
    const name = nameIn(node.property, node.computed)
    const isOwn = object.type === 'Identifier' && object.name === this.#whole
    return this.#number(isOwn ? name : null, name ?? 'a field')
  }

  /** The name of a member of `Math`; `null`: it is not one. */
  #mathOf(node: NodeOf<'MemberExpression'>): MathName | null {
    const { object, optional } = node
    const isMath = object.type === 'Identifier' && object.name === 'Math' && !optional
    if (!isMath || this.#binds('Math')) return null
    const name = nameIn(node.property, node.computed)
    return name !== null && Object.hasOwn(Math, name) ? (name as MathName) : null
  }

  #binds(name: string): boolean {
    return name === this.#self || name === this.#whole || this.#named.has(name)
  }

  #number(name: string | null | undefined, text: string): string {
    const code = name === null || name === undefined ? null : this.#at(name)
    if (code === null) throw new SourceRefusal(`it uses \`${text}\``)
    return code
  }
}

function allowed(operator: string, operators: ReadonlySet<string>): string {
  if (operators.has(operator)) return operator
  throw new SourceRefusal(`it uses the operator \`${operator}\``)
}
