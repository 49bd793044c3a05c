import type { Expression } from '../../src/topology/function-reading.ts'
import { timeMs } from '../../src/topology/times.ts'

/**
 * Evaluates an expression: returns and throws what the function that it was read from would return
 * and throw.
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
    case 'time':
      return timeMs(fieldAt(given, expression.path), expression.unit)
  }
}

/** @throws TypeError when a value on the path is `null` or `undefined` */
function fieldAt(given: unknown, path: readonly string[]): unknown {
  return path.reduce((value, name) => (value as Record<string, unknown>)[name], given)
}
