import { LRUCache } from 'lru-cache'
import { TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../registry/schema-registry.ts'
import type { Preparing } from '../format.ts'
import { MissingSchemas } from './missing-schemas.ts'
import type { PayloadDecoder } from './payload-decoder.ts'

/** What is known of a schema: how to decode its values, or why they cannot be decoded. */
export type KnownSchema = PayloadDecoder | { readonly error: TidemarkError }

/** Most schemas in memory. The records of all partitions that are decoded at once need no more. */
const MOST_SCHEMAS = 10_000
/** Most requests to the registry at once: a chunk of garbage may name 2,048 ids. */
const MOST_AT_ONCE = 20

/** The schemas that records refer to, by id. A schema never changes, so it is fetched once. */
export class KnownSchemas {
  readonly #registry: SchemaRegistry
  readonly #compile: (schema: RegisteredSchema) => PayloadDecoder
  readonly #known = new LRUCache<number, KnownSchema>({ max: MOST_SCHEMAS })
  readonly #missing = new MissingSchemas(MOST_SCHEMAS)
  /** By id; of several partitions that need a schema, one fetches it. */
  readonly #fetching = new Map<number, Promise<void>>()

  /** @param compile throws `SCHEMA_UNUSABLE` for a schema whose values cannot be decoded */
  constructor(registry: SchemaRegistry, compile: (schema: RegisteredSchema) => PayloadDecoder) {
    this.#registry = registry
    this.#compile = compile
  }

  /** `undefined`: it has to be fetched first, or does not exist. */
  get(id: number): KnownSchema | undefined {
    return this.#known.get(id)
  }

  /** Is it not to be asked for at present, since the registry does not have it? */
  isGivenUp(id: number, { clock, mayGiveUp }: Preparing): boolean {
    return mayGiveUp && this.#missing.isGivenUp(id, clock.elapsedMs())
  }

  /** Why values of a schema that is not known cannot be decoded. */
  whyNot(id: number): TidemarkError {
    return (
      this.#missing.whyGivenUp(id) ??
      new TidemarkError('INVARIANT', `schema ${id} was not prepared`)
    )
  }

  /**
   * Fetches schemas. Those that the registry has not had for long enough are given up, if they may
   * be.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, also if the registry has no such schema: it may
   * not have it yet
   */
  async fetch(ids: readonly number[], how: Preparing): Promise<void> {
    for (let i = 0; i < ids.length; i += MOST_AT_ONCE) {
      const some = ids.slice(i, i + MOST_AT_ONCE)
      await Promise.all(some.map((id) => this.#fetchOnce(id, how.clock)))
    }
    const waited = ids.find((id) => this.get(id) === undefined && !this.isGivenUp(id, how))
    if (waited === undefined) return
    const why = this.#missing.why(waited)?.message ?? `schema ${waited} is not there`
    const what = `${why}, which a record refers to`
    throw new TidemarkError('REGISTRY_UNAVAILABLE', what, { where: this.#registry.url })
  }

  #fetchOnce(id: number, clock: Preparing['clock']): Promise<void> {
    const fetching = this.#fetching.get(id) ?? this.#fetch(id, clock)
    this.#fetching.set(id, fetching)
    return fetching
  }

  /** @throws TidemarkError `REGISTRY_UNAVAILABLE`: the registry did not say whether it has it */
  async #fetch(id: number, clock: Preparing['clock']): Promise<void> {
    try {
      this.#known.set(id, this.#compiled(await this.#registry.schema(id)))
    } catch (error) {
      if (error instanceof TidemarkError && error.code === 'SCHEMA_UNKNOWN') {
        this.#missing.denied(id, clock.elapsedMs(), error)
        return
      }
      this.#missing.unanswered(id)
      throw error
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
