import { functionIn } from './function-reading.ts'
import { eachNode, functionTree, type SyntaxNode } from './function-tree.ts'

/**
 * The fields that a function reads of one of its arguments, by its source: of the second, `a` and
 * `b` in `(_, f) => f.a > 1 && f.b > 1`, and in `(_, { a, b }) => …`.
 *
 * @param argument its number, from 0
 * @returns `null`: its source does not tell
 */
export function fieldsRead(
  of: (...args: never[]) => unknown,
  argument: number,
): readonly string[] | null {
  const tree = functionTree(fieldsRead.toString.call(of))
  const node = tree === null ? null : functionIn(tree)
  if (node === null || node.params.some(({ type }) => type === 'RestElement')) return null
  const parameter = node.params[argument]
  // The default of another parameter may read this one.
  const plain = node.params.every(({ type }) => type === 'Identifier' || type === 'ObjectPattern')
  if (!plain || usesArguments(node.body)) return null
  if (parameter === undefined) return []
  if (parameter.type === 'ObjectPattern') return namesOf(parameter)
  return parameter.type === 'Identifier' ? fieldsOf(parameter.name, node.body) : null
}

function usesArguments(body: SyntaxNode): boolean {
  let uses = false
  eachNode(body, (node) => {
    uses ||= node.type === 'Identifier' && node.name === 'arguments'
  })
  return uses
}

function namesOf({ properties }: Extract<SyntaxNode, { type: 'ObjectPattern' }>) {
  const names = properties.map((property) =>
    property.type === 'Property' && !property.computed && property.key.type === 'Identifier'
      ? property.key.name
      : null,
  )
  return names.every((name) => name !== null) ? names : null
}

/** The fields that are picked of a name; `null`: it is used in another way, too. */
function fieldsOf(name: string, body: SyntaxNode): readonly string[] | null {
  let uses = 0
  eachNode(body, (node) => {
    if (node.type === 'Identifier' && node.name === name) uses++
  })
  const fields: string[] = []
  let isCalled = false
  eachNode(body, (node) => {
    // A method has the whole argument, as its `this`.
    if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
      const { object } = node.callee
      if (object.type === 'Identifier' && object.name === name) isCalled = true
    }
    if (node.type !== 'MemberExpression') return
    const { object, property, computed } = node
    if (object.type !== 'Identifier' || object.name !== name) return
    if (!computed && property.type === 'Identifier') fields.push(property.name)
    if (computed && property.type === 'Literal') fields.push(String(property.value))
  })
  return fields.length === uses && !isCalled ? [...new Set(fields)] : null
}
