import { LRUCache } from 'lru-cache'
import { TidemarkError } from '../../kernel/errors.ts'
import type { SchemaRegistry } from '../../registry/schema-registry.ts'
import { shownJson } from '../json/output.ts'
import { type PayloadDecoder, PREFIX_BYTES, schemaIdOf } from './payload.ts'
import { openDecoder } from './schemas.ts'

const MOST_SCHEMAS = 1_000

/**
 * Shows values of any topic: as JSON if they have a schema in a registry, and as they are if not. A
 * value that cannot be decoded is `{ "undecoded": { "base64": "…" }, "why": "…" }`.
 */
export class ShownValues {
  readonly #registry: SchemaRegistry
  /** By id. A rejected one says why its values cannot be decoded. */
  readonly #decoders = new LRUCache<number, Promise<PayloadDecoder>>({ max: MOST_SCHEMAS })

  constructor(registry: SchemaRegistry) {
    this.#registry = registry
  }

  /** @throws TidemarkError `REGISTRY_UNAVAILABLE` */
  async shown(value: Buffer): Promise<Buffer> {
    const id = schemaIdOf(value, 0, value.length)
    return id === null ? value : Buffer.from(shownJson(await this.#decoded(value, id)))
  }

  async #decoded(value: Buffer, id: number): Promise<unknown> {
    try {
      const decoder = await this.#decoderOf(id)
      return decoder.decode(value.subarray(PREFIX_BYTES)).value
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.action !== 'dead-letter') throw thrown
      return { undecoded: value, why: `${thrown.code}: ${thrown.message}` }
    }
  }

  #decoderOf(id: number): Promise<PayloadDecoder> {
    const fetched = () => this.#registry.schema(id).then((schema) => openDecoder(schema, null))
    const known = this.#decoders.get(id) ?? fetched()
    this.#decoders.set(id, known)
    return known
  }
}
