import { boundBy, type FunctionNode, functionTree, returnedBy } from './function-source.ts'

// A normal form of an author's function, from its source: tsx, tsc and esbuild print the same
// function in three ways. Layout, quotes, parentheses and the names that the function itself
// declares do not matter; the values that it captures or calls are not seen.

/** A string that is equal for functions with the same normal form. */
export function formOf(authorFunction: (...args: never[]) => unknown): string {
  const source = authorFunction.toString()
  const node = functionTree(source)
  if (node === null) return source.replace(/\s+/g, '')
  return JSON.stringify(new Form().normalise(node, new Map()))
}

type Fields = Readonly<Record<string, unknown>>

/** The names that a function and those around it declare, each with its replacement. */
type Scope = ReadonlyMap<string, string>

class Form {
  #declared = 0

  normalise(value: unknown, scope: Scope): unknown {
    if (Array.isArray(value)) return value.map((item) => this.normalise(item, scope))
    if (!isNode(value)) return plain(value)
    const node = simplified(value)
    switch (node['type']) {
      case 'Identifier':
        return scope.get(node['name'] as string) ?? ['free', node['name']]
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
      case 'FunctionDeclaration':
        return this.#function(node, scope)
      case 'MemberExpression':
        return this.#named(node, 'property', scope)
      case 'Property':
      case 'MethodDefinition':
      case 'PropertyDefinition':
        return this.#named(node, 'key', scope)
      default:
        return this.#fields(node, scope)
    }
  }

  #function(node: Fields, outer: Scope): unknown {
    const replacements = new Map<string, string>()
    for (const name of declaredIn(node)) {
      const as = `$${this.#declared++}`
      if (!replacements.has(name)) replacements.set(name, as)
    }
    const scope = new Map([...outer, ...replacements])
    const { async, generator, params, body } = node
    // `{ return x }` is `x`.
    const returned = returnedBy(node as unknown as FunctionNode) ?? body
    const kind = node['type'] === 'ArrowFunctionExpression' ? 'arrow' : 'function'
    return [kind, async, generator, this.normalise(params, scope), this.normalise(returned, scope)]
  }

  /** A node with a name that is a property, not a variable. */
  #named(node: Fields, field: 'property' | 'key', scope: Scope): unknown {
    const { shorthand: _, [field]: name, ...rest } = node
    const { name: id, value } = name as Fields
    const isComputed = node['computed'] === true
    const text = isComputed ? this.normalise(name, scope) : ['name', id ?? String(value)]
    return [text, this.#fields(rest, scope)]
  }

  #fields(node: Fields, scope: Scope): unknown {
    return Object.entries(node)
      .filter(([field]) => !LAYOUT.has(field))
      .map(([field, value]) => [field, this.normalise(value, scope)])
  }
}

const LAYOUT: ReadonlySet<string> = new Set(['start', 'end', 'raw', 'directive'])

function isNode(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && 'type' in value
}

/** Big integers and regular expressions as strings, and template text, however it was escaped. */
function plain(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && 'cooked' in value) return value.cooked
  return typeof value === 'bigint' || value instanceof RegExp ? String(value) : value
}

const UNDEFINED: Fields = { type: 'Identifier', name: 'undefined' }

/** Undoes the work of loaders: `__name(f, 'f')`, `(0, module.f)`, `module.f` for `f`, `void 0`. */
function simplified(node: Fields): Fields {
  if (node['operator'] === 'void') return UNDEFINED
  if (node['type'] === 'CallExpression') {
    const { callee, arguments: args } = node as { callee: Fields; arguments: Fields[] }
    if (callee['name'] === '__name' && args[0] !== undefined) return simplified(args[0])
  }
  if (node['type'] === 'SequenceExpression') {
    const [zero, member, ...more] = node['expressions'] as Fields[]
    if (zero?.['value'] === 0 && member !== undefined && more.length === 0) {
      return simplified(member)
    }
  }
  if (node['type'] === 'MemberExpression' && node['computed'] === false) {
    const { object, property } = node as { object: Fields; property: Fields }
    const { name } = object
    const isModule = typeof name === 'string' && /^import_|_\d+$/.test(name)
    if (isModule && property['type'] === 'Identifier') return property
  }
  return node
}

/** The names that a function declares, parameters first, without those of functions inside it. */
function declaredIn(node: Fields): string[] {
  const names = (node['params'] as Fields[]).flatMap(boundBy)
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item)
    else if (isNode(value)) visit(value)
  }
  const visit = (inner: Fields) => {
    const { type, id } = inner as { type: string; id?: Fields }
    const isNamed = type === 'VariableDeclarator' || type === 'FunctionDeclaration'
    if (isNamed && id !== undefined) names.push(...boundBy(id))
    if (type === 'CatchClause' && isNode(inner['param'])) names.push(...boundBy(inner['param']))
    if (type.endsWith('FunctionExpression') || type === 'FunctionDeclaration') return
    for (const value of Object.values(inner)) walk(value)
  }
  walk(node['body'])
  return names
}
