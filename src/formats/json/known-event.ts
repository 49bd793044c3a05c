import type { ColumnForm } from '../../columns/columns.ts'
import type { KnownObject, KnownValue } from './known-values.ts'

/**
 * What is known of an event with these columns: the fields for which all containing objects are
 * always present.
 */
export function knownEvent(forms: readonly ColumnForm[]): KnownObject {
  const fields: Tree = new Map()
  for (const [column, form] of forms.entries()) {
    const { path, type, isOptional, isWithinOptional, isBinary } = form
    const name = path.at(-1)
    if (isWithinOptional || name === undefined) continue
    fieldsAt(fields, path.slice(0, -1)).set(name, {
      is: 'field',
      column,
      type,
      optional: isOptional,
      ...(isBinary && { isBinary }),
    })
  }
  return objectOf(fields)
}

type Tree = Map<string, Tree | KnownValue>

function fieldsAt(tree: Tree, [first, ...rest]: readonly string[]): Tree {
  if (first === undefined) return tree
  const known = tree.get(first)
  const inner: Tree = known instanceof Map ? known : new Map()
  tree.set(first, inner)
  return fieldsAt(inner, rest)
}

function objectOf(tree: Tree): KnownObject {
  const fields = [...tree].map(
    ([name, inner]) => [name, inner instanceof Map ? objectOf(inner) : inner] as const,
  )
  return { is: 'object', fields: Object.fromEntries(fields), isWhole: false }
}
