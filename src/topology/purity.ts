import { type Expression, type Identifier, type PrivateIdentifier, type Super } from 'acorn'
import { full, simple } from 'acorn-walk'
import { functionTree } from './function-tree.ts'

// An author's functions must be pure: a log that is read again must give the same answers. What
// they use beside their event is looked for in their text. That is a note and no fault: a name may
// be the author's own, and what a function calls is not seen.

/** What makes answers differ, and where they should come from. */
const KINDS = {
  clock: 'the time of an event is in the event',
  chance: 'make it of what the event holds, such as its id',
  outside: 'have it in the event, or in a table',
} as const
type Kind = keyof typeof KINDS

const IMPURE: Readonly<Record<string, Kind>> = {
  'Date.now': 'clock',
  'new Date()': 'clock',
  'Date()': 'clock',
  'performance.now': 'clock',
  'performance.timeOrigin': 'clock',
  'Temporal.Now': 'clock',
  'Math.random': 'chance',
  'crypto.randomUUID': 'chance',
  'crypto.getRandomValues': 'chance',
  randomUUID: 'chance',
  fetch: 'outside',
  process: 'outside',
  setTimeout: 'outside',
  setInterval: 'outside',
  setImmediate: 'outside',
}
/** Where globals are found by their names. */
const GLOBALS = new Set(['globalThis', 'global'])
/** Functions of the platform, which have no text, by their names. */
const NATIVE: Readonly<Record<string, string>> = {
  now: 'Date.now',
  random: 'Math.random',
  Date: 'Date()',
}

/** What the functions of a topology use that may be another the next time, one note a place. */
export function purityNotes(
  topology: string,
  functions: readonly { readonly where: string; readonly of: (...args: never[]) => unknown }[],
): string[] {
  const notes: string[] = []
  for (const { where, of } of functions) {
    const found = impuritiesIn(of.toString())
    if (found.length === 0) continue
    const kinds = [...new Set(found.map((name) => KINDS[IMPURE[name] as Kind]))]
    notes.push(
      `${topology}: ${where} uses ${found.join(', ')}: the same event may get another answer when it is read again, ` +
        `as after a restart (${kinds.join('; ')})`,
    )
  }
  return notes
}

/** What a function uses by its text, each once: `Date.now`, `new Date()`, `process`, … */
export function impuritiesIn(text: string): string[] {
  const tree = functionTree(text)
  if (tree === null) return nativeIn(text)
  const own = new Set<string>()
  full(tree, (node, _, as) => {
    if (as === 'VariablePattern') own.add((node as Identifier).name)
  })
  const found = new Set<string>()
  const note = (name: string | null) => {
    if (name !== null && Object.hasOwn(IMPURE, name)) found.add(name)
  }
  simple(tree, {
    Identifier: (node) => note(globalName(node, own)),
    MemberExpression: (node) => note(globalName(node, own)),
    NewExpression: ({ callee, arguments: given }) => {
      if (given.length === 0) note(`new ${globalName(callee, own)}()`)
    },
    CallExpression: ({ callee }) => note(`${globalName(callee, own)}()`),
  })
  return [...found]
}

function nativeIn(text: string): string[] {
  const name = /^function (\w+)\(\) \{ \[native code\] \}$/.exec(text)?.[1]
  const known = name === undefined ? undefined : NATIVE[name]
  return known === undefined ? [] : [known]
}

/**
 * The global, or what of it, that an expression names: `Date.now`; `null` when it is none, or a
 * name of the function's `own`.
 */
function globalName(
  node: Expression | Super | PrivateIdentifier,
  own: ReadonlySet<string>,
): string | null {
  const [root, ...rest] = namesIn(node) ?? []
  if (root === undefined || own.has(root)) return null
  return (GLOBALS.has(root) ? rest : [root, ...rest]).join('.')
}

/** `['Date', 'now']` of `Date.now`, `Date['now']` and `Date?.now`. */
function namesIn(node: Expression | Super | PrivateIdentifier): string[] | null {
  if (node.type === 'Identifier') return [node.name]
  if (node.type === 'ChainExpression') return namesIn(node.expression)
  if (node.type !== 'MemberExpression') return null
  const { object, property, computed } = node
  const names = namesIn(object)
  if (names === null) return null
  if (!computed && property.type === 'Identifier') return [...names, property.name]
  const isText = property.type === 'Literal' && typeof property.value === 'string'
  return isText ? [...names, String(property.value)] : null
}
