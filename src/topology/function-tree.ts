import { type AnyNode, parse } from 'acorn'
import { full } from 'acorn-walk'

/** A node of a syntax tree (ESTree). */
export type SyntaxNode = AnyNode

/**
 * Parses a function's source, wrapped so that it is a program; `null` if it cannot be parsed, as
 * with native functions.
 */
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

/** Visits a node and every node below it. */
export function eachNode(node: SyntaxNode, visit: (node: SyntaxNode) => void): void {
  full(node, (inner) => visit(inner))
}
