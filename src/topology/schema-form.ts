import type { StandardSchemaV1 } from '@standard-schema/spec'
import { formOf } from './function-form.ts'

/** Keys of a schema that do not change what it accepts: messages, and the library's functions. */
const IRRELEVANT_KEYS: ReadonlySet<string> = new Set([
  'error',
  'message',
  'reference',
  'lang',
  'abort',
])

/** A schema's properties, with its JSON Schema if its library provides it. */
export interface DeclaredProps extends StandardSchemaV1.Props {
  readonly jsonSchema?: { input(o: { target: string }): unknown }
}

/**
 * A form of a schema that changes when what it accepts or returns changes, as far as that can be
 * determined: its JSON Schema, or the library's name if the library provides none, and the source
 * of its refinements and transforms. A function that the library has wrapped (`superRefine`) is not
 * seen.
 */
export function schemaForm(schema: StandardSchemaV1): unknown {
  const functions: [path: string, form: string][] = []
  collect(schema, '', { functions, seen: new Set() })
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

interface Collecting {
  readonly functions: [path: string, form: string][]
  readonly seen: Set<unknown>
}

/** Collects the author's functions in a schema's definition, and where it coerces. */
function collect(value: unknown, path: string, into: Collecting): void {
  if (typeof value === 'function') into.functions.push([path, formOf(value as () => unknown)])
  if (typeof value !== 'object' || value === null || into.seen.has(value)) return
  into.seen.add(value)
  for (const [key, inner] of Object.entries(definitionOf(value))) {
    if (IRRELEVANT_KEYS.has(key) || key.startsWith('~')) continue
    if (key === 'coerce' && inner === true) into.functions.push([path, 'coerce'])
    collect(inner, `${path}/${key}`, into)
  }
}

/** The data of a schema; zod keeps it apart from the methods. */
function definitionOf(value: object): object {
  const { _zod: zod } = value as { readonly _zod?: { readonly def?: object } }
  return zod?.def ?? value
}
