// What the rest of the program knows of a schema registry.

/** The language of a schema. */
export type SchemaType = 'avro' | 'protobuf' | 'json'

/** A schema that another one refers to. */
export interface NamedSchema {
  /** The name by which it is referred to: of a type in Avro, of a file in Protobuf. */
  readonly name: string
  readonly text: string
}

/** A schema as its registry has it. */
export interface RegisteredSchema {
  /** Unique in its registry, from 1. */
  readonly id: number
  readonly type: SchemaType
  readonly text: string
  /** All schemas that it needs, each after those that it needs itself. */
  readonly references: readonly NamedSchema[]
}

/** A schema registry. */
export interface SchemaRegistry {
  /** Its address, without credentials. */
  readonly url: string
  /**
   * Returns the schema with an id; `null`: the registry says that there is none.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`: it does not answer, or with anything else
   */
  schema(id: number): Promise<RegisteredSchema | null>
}
