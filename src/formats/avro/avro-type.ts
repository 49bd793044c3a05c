import avro, { type Schema, type Type } from 'avsc'
import type { WholeSchema } from '../../registry/schema-registry.ts'

/**
 * Compiles an Avro schema, with the types that its references define.
 * @throws Error what is wrong with it
 */
export function avroType({ text, references }: Omit<WholeSchema, 'type'>): Type {
  // Types refer to each other by name in `registry`. Methods would look like fields to a schema.
  const options = { registry: {}, omitRecordMethods: true }
  for (const reference of references) avro.Type.forSchema(schemaOf(reference.text), options)
  return avro.Type.forSchema(schemaOf(text), options)
}

/** A primitive type may be registered as its bare name. */
function schemaOf(text: string): Schema {
  return /^\s*["{[]/.test(text) ? (JSON.parse(text) as Schema) : text.trim()
}
