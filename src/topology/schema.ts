import type { StandardSchemaV1 } from '@standard-schema/spec'
import { TidemarkError } from '../kernel/errors.ts'

// Asking an author's schema, and telling what it found without repeating what it was given.

const MAX_ISSUES = 3
const MAX_SUMMARY = 300
/** More texts and numbers than this are not searched: the messages of such a value are withheld. */
const MAX_LEAVES = 1_000

/**
 * What the schema makes of a value.
 *
 * @throws TidemarkError `SCHEMA_INVALID`: the schema's first issues, at most 300 characters, none
 * of the value's texts or numbers · `FUNCTION_THREW`: a function in the schema threw, or the schema
 * is asynchronous; what was thrown is its `cause`, with some libraries only a moment later
 */
export function checkedBy(schema: StandardSchemaV1, value: unknown): unknown {
  const result = answerOf(schema, value)
  if (result.issues) throw new TidemarkError('SCHEMA_INVALID', summaryOf(result.issues, value))
  return result.value
}

function answerOf(schema: StandardSchemaV1, value: unknown): StandardSchemaV1.Result<unknown> {
  let answer: ReturnType<StandardSchemaV1['~standard']['validate']>
  try {
    answer = schema['~standard'].validate(value)
  } catch (thrown) {
    const what = `the schema threw ${nameOf(thrown)}`
    throw new TidemarkError('FUNCTION_THREW', what, { cause: thrown })
  }
  if (!(answer instanceof Promise)) return answer
  // zod turns a refinement that throws into a promise, so one poisonous record looks just like an
  // asynchronous schema.
  const error = new TidemarkError('FUNCTION_THREW', 'the schema answered with a promise', {
    hint: 'a function in it threw, or it is asynchronous, which is not supported',
  })
  answer.catch((thrown: unknown) => {
    error.cause = thrown
  })
  throw error
}

/** The class of what was thrown: its message may repeat the value. */
export function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.constructor.name : typeof thrown
}

function summaryOf(issues: readonly StandardSchemaV1.Issue[], value: unknown): string {
  const leaves = leavesOf(value)
  const lines = issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const safe = leaves !== null && !leaves.some((leaf) => mentions(message, leaf))
    const text = safe ? message : 'not what the schema wants'
    return path.length === 0 ? text : `${pathOf(path)}: ${text}`
  })
  const more = issues.length - lines.length
  const summary = (more > 0 ? [...lines, `${more} more`] : lines).join('; ')
  return summary.length <= MAX_SUMMARY ? summary : `${summary.slice(0, MAX_SUMMARY - 1)}…`
}

function pathOf(path: NonNullable<StandardSchemaV1.Issue['path']>): string {
  return path
    .map((segment) => (typeof segment === 'object' ? segment.key : segment))
    .map((key) => (typeof key === 'number' ? `[${key}]` : isFieldName(key) ? `.${key}` : '.…'))
    .join('')
    .replace(/^\./, '')
}

/**
 * A name that an author would give to a field; anything else in its place may be data, such as a
 * card's number.
 */
function isFieldName(key: PropertyKey): key is string {
  return typeof key === 'string' && /^(?!.*\d{3})[A-Za-z_]\w{0,39}$/.test(key)
}

/**
 * Every text and number of a value, and its names that are no field's; `null` when they are too
 * many.
 */
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

/** Does the text hold these words, not merely as a part of a longer word? */
function mentions(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at !== -1; at = text.indexOf(words, at + 1)) {
    const before = text[at - 1] ?? ' '
    const after = text[at + words.length] ?? ' '
    if (!/[\p{L}\p{N}]/u.test(before) && !/[\p{L}\p{N}]/u.test(after)) return true
  }
  return false
}
