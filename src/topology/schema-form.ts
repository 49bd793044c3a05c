import type { StandardSchemaV1 } from '@standard-schema/spec'
import { formOf } from './function-form.ts'

/** What a schema says beside what it does: messages, and the library's own functions. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  'error',
  'message',
  'reference',
  'lang',
  'abort',
])

/**
 * What a schema lets through and makes of it, as far as it can be told: its JSON Schema where its
 * library gives one, else the library's name, and its refinements and transforms by their source. A
 * function that its library has wrapped (`superRefine`) is not seen.
 */
export function schemaForm(schema: StandardSchemaV1): unknown {
  const functions: [path: string, form: string][] = []
  collect(schema, '', { functions, seen: new Set() })
  return [declared(schema), functions]
}

function declared(schema: StandardSchemaV1): unknown {
  const standard = schema['~standard'] as StandardSchemaV1.Props & {
    readonly jsonSchema?: { input(o: { target: string }): unknown }
  }
  try {
    return standard.jsonSchema?.input({ target: 'draft-2020-12' }) ?? standard.vendor
  } catch {
    return standard.vendor
  }
}

interface Collecting {
  readonly functions: [path: string, form: string][]
  readonly seen: Set<unknown>
}

/** Notes all functions of the author's in a schema's definition, and what is coerced. */
function collect(value: unknown, path: string, into: Collecting): void {
  if (typeof value === 'function') into.functions.push([path, formOf(value as () => unknown)])
  if (typeof value !== 'object' || value === null || into.seen.has(value)) return
  into.seen.add(value)
  for (const [key, inner] of Object.entries(definitionOf(value))) {
    if (SAYS_NOTHING.has(key) || key.startsWith('~')) continue
    if (key === 'coerce' && inner === true) into.functions.push([path, 'coerce'])
    collect(inner, `${path}/${key}`, into)
  }
}

/** Zod keeps a schema's own data apart from its methods. */
function definitionOf(value: object): object {
  const { _zod: zod } = value as { readonly _zod?: { readonly def?: object } }
  return zod?.def ?? value
}
