import { LRUCache } from 'lru-cache'
import { TidemarkError } from '../../kernel/errors.ts'
import type { SchemaRegistry } from '../../registry/schema-registry.ts'
import { shownJson } from '../json/output.ts'
import { type PayloadDecoder, PREFIX_BYTES, schemaIdOf } from '../payload.ts'
import { openDecoder } from './schemas.ts'

const MOST_SCHEMAS = 1_000

/** Shows a value. @throws TidemarkError `REGISTRY_UNAVAILABLE` */
export type ShowValue = (value: Buffer) => Promise<Buffer>

/**
 * Shows values of any topic: as JSON if they have a schema in a registry, and as they are if not. A
 * value that cannot be decoded is `{ "undecoded": { "base64": "…" }, "why": "…" }`.
 */
export function valueShower(registry: SchemaRegistry): ShowValue {
  /** By id. A rejected one says why its values cannot be decoded. */
  const decoders = new LRUCache<number, Promise<PayloadDecoder>>({
    max: MOST_SCHEMAS,
    memoMethod: (id) => registry.schema(id).then((schema) => openDecoder(schema, null)),
  })
  const decoded = async (value: Buffer, id: number): Promise<unknown> => {
    try {
      const decoder = await decoders.memo(id)
      return decoder.decode(value.subarray(PREFIX_BYTES)).value
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.action !== 'dead-letter') throw thrown
      return { undecoded: value, why: `${thrown.code}: ${thrown.message}` }
    }
  }
  return async (value) => {
    const id = schemaIdOf(value, 0, value.length)
    return id === null ? value : Buffer.from(shownJson(await decoded(value, id)))
  }
}
