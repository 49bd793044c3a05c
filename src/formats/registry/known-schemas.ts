import { LRUCache } from 'lru-cache'
import { TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../registry/schema-registry.ts'
import type { PayloadDecoder } from './payload-decoder.ts'

/** What is known of a schema: how to decode its values, or why they cannot be decoded. */
export type KnownSchema = PayloadDecoder | { readonly error: TidemarkError }

/** Most schemas in memory. The records of all partitions that are decoded at once need no more. */
const MOST_SCHEMAS = 10_000

/** The schemas that records refer to, by id. A schema never changes, so it is fetched once. */
export class KnownSchemas {
  readonly #registry: SchemaRegistry
  readonly #compile: (schema: RegisteredSchema) => PayloadDecoder
  readonly #known = new LRUCache<number, KnownSchema>({ max: MOST_SCHEMAS })
  /** By id; of several partitions that need a schema, one fetches it. */
  readonly #fetching = new Map<number, Promise<void>>()

  /** @param compile throws `SCHEMA_UNUSABLE` for a schema whose values cannot be decoded */
  constructor(registry: SchemaRegistry, compile: (schema: RegisteredSchema) => PayloadDecoder) {
    this.#registry = registry
    this.#compile = compile
  }

  /** `undefined`: it has to be fetched first. */
  get(id: number): KnownSchema | undefined {
    return this.#known.get(id)
  }

  /**
   * Fetches a schema.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, also if the registry has no such schema: it may
   * not have it yet
   */
  fetch(id: number): Promise<void> {
    const fetching = this.#fetching.get(id) ?? this.#fetch(id)
    this.#fetching.set(id, fetching)
    return fetching
  }

  async #fetch(id: number): Promise<void> {
    try {
      const schema = await this.#registry.schema(id)
      if (schema === null) {
        const what = `the schema registry has no schema ${id}, which a record refers to`
        throw new TidemarkError('REGISTRY_UNAVAILABLE', what, { where: this.#registry.url })
      }
      this.#known.set(id, this.#compiled(schema))
    } finally {
      this.#fetching.delete(id)
    }
  }

  #compiled(schema: RegisteredSchema): KnownSchema {
    try {
      return this.#compile(schema)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'SCHEMA_UNUSABLE') throw error
      return { error }
    }
  }
}
