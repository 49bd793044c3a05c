import { type AnyNode, parse } from 'acorn'

export type SyntaxNode = AnyNode

/**
 * The syntax of a function, within what makes a program of it; `null` when its text is none, as of
 * the engine's own.
 */
export function functionTree(text: string): SyntaxNode | null {
  const options = {
    ecmaVersion: 'latest',
    sourceType: 'module',
    checkPrivateFields: false,
  } as const
  // An arrow or a function; else a method, as it stands in an object or, static, in a class.
  for (const whole of [`(${text}\n)`, `({${text}\n})`, `(class {${text}\n})`]) {
    try {
      return parse(whole, options)
    } catch {}
  }
  return null
}
