import type { Expression } from '../../src/topology/function-reading.ts'

/**
 * What an expression means: as a function that reads alike, it gives what it gives, and throws
 * where it throws.
 */
export function evaluate(expression: Expression, given: unknown): unknown {
  switch (expression.is) {
    case 'pick':
      return fieldAt(given, expression.path)
    case 'literal':
      return expression.value
    case 'object':
      return Object.fromEntries(
        expression.fields.map(([name, inner]) => [name, evaluate(inner, given)]),
      )
    case 'equals':
      return (fieldAt(given, expression.path) === expression.to) !== expression.negated
  }
}

/** @throws TypeError where `null` or `undefined` is on the way */
function fieldAt(given: unknown, path: readonly string[]): unknown {
  return path.reduce((value, name) => (value as Record<string, unknown>)[name], given)
}
