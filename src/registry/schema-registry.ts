// The port of schema registries.

export type SchemaType = 'avro' | 'protobuf' | 'json'

export interface NamedSchema {
  /** The name in a reference: of a type in Avro, of a file in Protobuf. */
  readonly name: string
  readonly text: string
}

export interface WholeSchema {
  readonly type: SchemaType
  readonly text: string
  /** All schemas that it needs, each after its own references. */
  readonly references: readonly NamedSchema[]
}

export interface RegisteredSchema extends WholeSchema {
  /** Unique in its registry, from 1. */
  readonly id: number
}

export interface SchemaRegistry {
  /** Its address, without credentials. */
  readonly url: string
  /**
   * @throws TidemarkError `SCHEMA_UNKNOWN`: the registry lacks the schema, or one of its
   * references, or its type is unknown · `REGISTRY_UNAVAILABLE`: no answer, or any other one
   */
  schema(id: number): Promise<RegisteredSchema>
}

/** A schema that needs no other. */
export type NewSchema = Pick<WholeSchema, 'type' | 'text'>

/** The subjects of a registry: a subject is a name for the versions of a schema. */
export interface SchemaSubjects extends Pick<SchemaRegistry, 'url'> {
  /**
   * Returns the id of this schema in a subject, whatever its layout; `null`: it is not there.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE` · `SCHEMA_REJECTED`: it is not a schema
   */
  find(subject: string, schema: NewSchema): Promise<number | null>
  /** Why a schema may not follow the latest one; empty: it may. Throws as {@link find}. */
  objections(subject: string, schema: NewSchema): Promise<readonly string[]>
  /** Adds a schema, and returns its id. Throws as {@link find}. */
  register(subject: string, schema: NewSchema): Promise<number>
  /** The latest schema; `null`: no such subject. Throws as {@link SchemaRegistry.schema}. */
  latest(subject: string): Promise<RegisteredSchema | null>
}
