// What the rest of the program knows of a schema registry.

/** The language of a schema. */
export type SchemaType = 'avro' | 'protobuf' | 'json'

/** A schema that another one refers to. */
export interface NamedSchema {
  /** The name by which it is referred to: of a type in Avro, of a file in Protobuf. */
  readonly name: string
  readonly text: string
}

/** A schema with all that it needs. */
export interface WholeSchema {
  readonly type: SchemaType
  readonly text: string
  /** All schemas that it needs, each after those that it needs itself. */
  readonly references: readonly NamedSchema[]
}

/** A schema as its registry has it. */
export interface RegisteredSchema extends WholeSchema {
  /** Unique in its registry, from 1. */
  readonly id: number
}

/** A schema registry. */
export interface SchemaRegistry {
  /** Its address, without credentials. */
  readonly url: string
  /**
   * Returns the schema with an id.
   * @throws TidemarkError `SCHEMA_UNKNOWN`: the registry says that it lacks the schema, or one that
   * it refers to, or the schema is of an unknown type · `REGISTRY_UNAVAILABLE`: it does not answer,
   * or with anything else
   */
  schema(id: number): Promise<RegisteredSchema>
}

/** A schema that needs no other. */
export type NewSchema = Pick<WholeSchema, 'type' | 'text'>

/** The subjects of a schema registry: each is a name under which versions of a schema follow. */
export interface SchemaSubjects {
  /** Its address, without credentials. */
  readonly url: string
  /**
   * Returns the id of exactly this schema in a subject, however its text is laid out; `null`: the
   * subject does not have it, or there is no such subject.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE` · `SCHEMA_REJECTED`: the registry says, in the
   * message, why it is no schema
   */
  find(subject: string, schema: NewSchema): Promise<number | null>
  /**
   * Why a schema may not follow the latest one of a subject, in the registry's words; empty: it
   * may.
   * @throws TidemarkError as {@link find}
   */
  objections(subject: string, schema: NewSchema): Promise<readonly string[]>
  /**
   * Adds a schema to a subject. Returns its id.
   * @throws TidemarkError as {@link find}; `SCHEMA_REJECTED` also if it is not compatible
   */
  register(subject: string, schema: NewSchema): Promise<number>
  /**
   * Returns the latest schema of a subject; `null`: there is no such subject.
   * @throws TidemarkError as {@link SchemaRegistry.schema}
   */
  latest(subject: string): Promise<RegisteredSchema | null>
}
