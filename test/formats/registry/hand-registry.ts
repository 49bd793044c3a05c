import { TidemarkError } from '../../../src/kernel/errors.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../../src/registry/schema-registry.ts'

/** A registry that has what a test puts in it, and is down while the test says so. */
export class HandRegistry implements SchemaRegistry {
  readonly url = 'http://registry'
  isDown = false
  /** The ids that were asked for. */
  readonly asked: number[] = []
  readonly #schemas = new Map<number, RegisteredSchema>()

  add(id: number, schema: Omit<RegisteredSchema, 'id' | 'references'>): void {
    this.#schemas.set(id, { ...schema, id, references: [] })
  }

  async schema(id: number): Promise<RegisteredSchema | null> {
    this.asked.push(id)
    if (this.isDown) throw new TidemarkError('REGISTRY_UNAVAILABLE', 'the registry is down')
    return this.#schemas.get(id) ?? null
  }
}

/** A value in the wire format. */
export function wireValue(id: number, payload: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(id, 1)
  return Buffer.concat([prefix, payload])
}
