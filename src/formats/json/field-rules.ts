import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'

// Rules for the fields of a schema's objects, read from its JSON Schema: this knows every
// schema's fields, where the scanner knows only those of plain ones.

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: unknown
}

const KINDS: Readonly<Record<string, 'text' | 'number' | 'boolean'>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
}
const OTHER = 'other'

/**
 * The rules of a field, by its name; in a union, those of all options together. `null`: nothing
 * is known of the field, nor of any field of a schema that gives no JSON Schema.
 */
export function fieldRules(schema: StandardSchemaV1) {
  const options = optionsOf(jsonSchemaOf(schema))
  return (name: string) => {
    const fields = options.map(({ properties }) => properties?.[name])
    const declarations = fields.filter((field) => field !== undefined)
    if (declarations.length === 0) return null
    const types = declarations.flatMap(typesOf)
    const isRequired = ({ required }: JsonSchema) => required?.includes(name) === true
    return {
      kinds: new Set(types.filter((type) => type !== 'null').map((type) => KINDS[type] ?? OTHER)),
      mayBeNull: types.includes('null'),
      mayBeAbsent: !options.every(isRequired),
    }
  }
}

/** Whether the output of a schema has a field; `null`: its JSON Schema does not tell. */
export function fieldsReturned(schema: StandardSchemaV1): ((name: string) => boolean) | null {
  const options = optionsOf(jsonSchemaOf(schema, 'output'))
  if (!options.every(({ additionalProperties: more }) => more === false)) return null
  return (name) => options.some(({ properties = {} }) => Object.hasOwn(properties, name))
}

export function jsonSchemaOf(
  schema: StandardSchemaV1,
  side: 'input' | 'output' = 'input',
): JsonSchema {
  const { jsonSchema } = schema['~standard'] as Partial<StandardJSONSchemaV1['~standard']>
  // zod refuses a whole schema for one field that JSON cannot express, unless it is told otherwise.
  const libraryOptions = { unrepresentable: 'any' }
  try {
    return jsonSchema?.[side]({ target: 'draft-2020-12', libraryOptions }) ?? {}
  } catch {
    return {}
  }
}

function optionsOf(schema: JsonSchema): readonly JsonSchema[] {
  const { anyOf, oneOf } = schema
  return (anyOf ?? oneOf)?.flatMap(optionsOf) ?? [schema]
}

function typesOf(field: JsonSchema): readonly string[] {
  return optionsOf(field).flatMap(({ type, const: only, enum: some = [only] }) => {
    if (type !== undefined) return type
    return some.map((value) => (value === null ? 'null' : typeof value))
  })
}
