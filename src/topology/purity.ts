import { type Expression, type Identifier, type PrivateIdentifier, type Super } from 'acorn'
import { full, simple } from 'acorn-walk'
import { functionTree } from './function-tree.ts'

// An author's functions must be pure: a replay of the log must give the same results. This searches
// their source for what they use besides their event. The result is a note, not an error: a name
// may be the author's own, and what a function calls is not seen.

/** Kinds of impurity, each with what to do instead. */
const KINDS = {
  clock: 'take the time from the event',
  chance: 'derive it from the event, such as from its id',
  outside: 'put it into the event or a lookup table',
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
/** Objects that have the globals as properties. */
const GLOBALS = new Set(['globalThis', 'global'])
/** Native functions, which have no source, by their names. */
const NATIVE: Readonly<Record<string, string>> = {
  now: 'Date.now',
  random: 'Math.random',
  Date: 'Date()',
}

/** Notes on what the functions of a topology use that may differ on a replay, one per place. */
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
      `${topology}: ${where} uses ${found.join(', ')}: a replay, such as after a restart, may give ` +
        `another result for the same event (${kinds.join('; ')})`,
    )
  }
  return notes
}

/** What is impure in the source of a function, each once: `Date.now`, `new Date()`, `process`, … */
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
 * The global that an expression names, with its properties, such as `Date.now`; `null` if it does
 * not name one, or the name is the function's `own`.
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
