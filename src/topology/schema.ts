import type { StandardSchemaV1 } from '@standard-schema/spec'
import { TidemarkError } from '../kernel/errors.ts'
import { formOf } from './function-form.ts'

// An author's schemas: they validate values, without quoting them, and have a form to compare.

const MAX_ISSUES = 3
const MAX_SUMMARY = 300
/** Strings and numbers that messages are searched for; with more, messages are withheld. */
const MAX_LEAVES = 1_000
const IRRELEVANT_KEYS = new Set(['error', 'message', 'reference', 'lang', 'abort'])

/**
 * Returns the value as parsed by the schema.
 * @throws TidemarkError `SCHEMA_INVALID`, with the first 3 issues in at most 300 characters,
 * without any string or number of the value · `FUNCTION_THREW`: a function in the schema threw, or
 * it is asynchronous; `cause` is the thrown value, with some libraries only a moment later
 */
export function checkedBy(schema: StandardSchemaV1, value: unknown): unknown {
  let result: ReturnType<StandardSchemaV1['~standard']['validate']>
  try {
    result = schema['~standard'].validate(value)
  } catch (thrown) {
    const message = `the schema threw ${nameOf(thrown)}`
    throw new TidemarkError('FUNCTION_THREW', message, { cause: thrown })
  }
  if (result instanceof Promise) throw asynchronous(result)
  if (result.issues) throw new TidemarkError('SCHEMA_INVALID', summaryOf(result.issues, value))
  return result.value
}

/** zod returns a promise if a refinement throws, so one bad record looks like an async schema. */
function asynchronous(result: Promise<unknown>): TidemarkError {
  const error = new TidemarkError('FUNCTION_THREW', 'the schema returned a promise', {
    hint: 'a function in the schema threw, or the schema is asynchronous, which is not supported',
  })
  result.catch((thrown: unknown) => {
    error.cause = thrown
  })
  return error
}

/** Whether it is a promise, whose rejection then does not go unhandled. */
export function isPromise(value: unknown): boolean {
  if (!(value instanceof Promise)) return false
  value.catch(() => undefined)
  return true
}

/** The class of a thrown value, not its message, which may quote the value. */
export function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.constructor.name : typeof thrown
}

function summaryOf(issues: readonly StandardSchemaV1.Issue[], value: unknown): string {
  const leaves = leavesOf(value)
  const lines = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const safe = leaves !== null && !leaves.some((leaf) => mentions(message, leaf))
    const text = safe ? message : 'does not match the schema'
    const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
    return path.length === 0 ? text : `${pathOf(keys)}: ${text}`
  })
  const more = issues.length - lines.length
  const summary = (more > 0 ? [...lines, `${more} more`] : lines).join('; ')
  return summary.length <= MAX_SUMMARY ? summary : `${summary.slice(0, MAX_SUMMARY - 1)}…`
}

/** A path as text: `items[3].price`; keys that may be data are left out. */
export function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : isFieldName(key) ? `.${key}` : '.…'))
    .join('')
    .replace(/^\./, '')
}

/** Whether a key looks like a field name. Any other key may be data, such as a card number. */
export function isFieldName(key: PropertyKey): key is string {
  return typeof key === 'string' && /^(?!.*\d{3})[A-Za-z_]\w{0,39}$/.test(key)
}

/** All strings and numbers of a value, and its keys that may be data; `null`: too many. */
function leavesOf(value: unknown): string[] | null {
  const leaves: string[] = []
  const open = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next === 'number') leaves.push(String(next))
    if (typeof next === 'string' && next !== '')
      leaves.push(next, JSON.stringify(next).slice(1, -1))
    if (typeof next === 'object' && next !== null) {
      for (const [name, inner] of Object.entries(next)) {
        if (!Array.isArray(next) && !isFieldName(name)) leaves.push(name)
        open.push(inner)
      }
    }
    if (leaves.length + open.length > MAX_LEAVES) return null
  }
  return leaves
}

/** Whether the text contains these words, and not only within a longer word. */
function mentions(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at !== -1; at = text.indexOf(words, at + 1)) {
    const before = text[at - 1] ?? ' '
    const after = text[at + words.length] ?? ' '
    if (!/[\p{L}\p{N}]/u.test(before) && !/[\p{L}\p{N}]/u.test(after)) return true
  }
  return false
}

/** With the JSON Schema, if the library provides it. */
export interface DeclaredProps extends StandardSchemaV1.Props {
  readonly jsonSchema?: { input(o: { target: string }): unknown }
}

/**
 * A form of a schema that changes with the values that it accepts or returns, as far as they can be
 * seen: its JSON Schema, or else the library's name, and the source of its refinements and
 * transforms. A function that the library has wrapped (`superRefine`) is not seen.
 */
export function schemaForm(schema: StandardSchemaV1): unknown {
  const functions: [path: string, form: string][] = []
  const seen = new Set<unknown>()
  const collect = (value: unknown, path: string): void => {
    if (typeof value === 'function') functions.push([path, formOf(value as () => unknown)])
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    for (const [key, inner] of Object.entries(definitionOf(value))) {
      if (IRRELEVANT_KEYS.has(key) || key.startsWith('~')) continue
      if (key === 'coerce' && inner === true) functions.push([path, 'coerce'])
      collect(inner, `${path}/${key}`)
    }
  }
  collect(schema, '')
  return [declared(schema), functions]
}

function declared(schema: StandardSchemaV1): unknown {
  const standard = schema['~standard'] as DeclaredProps
  try {
    return standard.jsonSchema?.input({ target: 'draft-2020-12' }) ?? standard.vendor
  } catch {
    return standard.vendor
  }
}

/** Zod keeps a schema's data apart from its methods. */
function definitionOf(value: object): object {
  const { _zod: zod } = value as { readonly _zod?: { readonly def?: object } }
  return zod?.def ?? value
}
