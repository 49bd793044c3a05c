import { functionIn } from './function-reading.ts'
import { eachNode, functionTree, type SyntaxNode } from './function-tree.ts'

/**
 * The fields that a function reads of its second argument, by its source: `a` and `b` of
 * `(_, f) => f.a > 1 && f.b > 1`, and of `(_, { a, b }) => …`.
 *
 * @returns `null`: its source does not tell
 */
export function fieldsOfSecond(of: (...args: never[]) => unknown): readonly string[] | null {
  const tree = functionTree(fieldsOfSecond.toString.call(of))
  const node = tree === null ? null : functionIn(tree)
  if (node === null || node.params.some(({ type }) => type === 'RestElement')) return null
  const second = node.params[1]
  if (second === undefined) return []
  if (second.type === 'ObjectPattern') return namesOf(second)
  return second.type === 'Identifier' ? fieldsOf(second.name, node.body) : null
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
  eachNode(body, (node) => {
    if (node.type !== 'MemberExpression') return
    const { object, property, computed } = node
    if (object.type !== 'Identifier' || object.name !== name) return
    if (!computed && property.type === 'Identifier') fields.push(property.name)
    if (computed && property.type === 'Literal') fields.push(String(property.value))
  })
  return fields.length === uses ? [...new Set(fields)] : null
}
