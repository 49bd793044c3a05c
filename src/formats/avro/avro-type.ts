import avro, { type Schema, type Type } from 'avsc'
import type { WholeSchema } from '../../registry/schema-registry.ts'
import { timestampType } from './timestamps.ts'

/**
 * Compiles an Avro schema, with the types that its references define.
 * @throws Error what is wrong with it
 */
export function avroType({ text, references }: Omit<WholeSchema, 'type'>): Type {
  // Types refer to each other by name in `registry`. Methods would look like fields to a schema.
  const options = { registry: {}, omitRecordMethods: true, typeHook: typeOf }
  for (const reference of references) avro.Type.forSchema(schemaOf(reference.text), options)
  return avro.Type.forSchema(schemaOf(text), options)
}

/** avsc reads a field of that name as the prototype of the record. */
function typeOf(schema: Schema): Type | undefined {
  const { fields } = schema as { readonly fields?: unknown }
  const isProto = (field: { readonly name?: unknown } | null) => field?.name === '__proto__'
  if (Array.isArray(fields) && fields.some(isProto)) throw new Error('a field is named __proto__')
  return timestampType(schema)
}

/** A primitive type may be registered as its bare name. */
function schemaOf(text: string): Schema {
  return /^\s*["{[]/.test(text) ? (JSON.parse(text) as Schema) : text.trim()
}
