import type {
  NamedSchema,
  RegisteredSchema,
  SchemaType,
} from '../../../src/registry/schema-registry.ts'

/** A schema as a registry gives it, with id 7. */
export function registered(
  type: SchemaType,
  text: string,
  references: readonly NamedSchema[] = [],
): RegisteredSchema {
  return { id: 7, type, text, references }
}
