import { TidemarkError } from '../../../src/kernel/errors.ts'
import type {
  NewSchema,
  RegisteredSchema,
  SchemaRegistry,
  SchemaSubjects,
} from '../../../src/registry/schema-registry.ts'

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

  async schema(id: number): Promise<RegisteredSchema> {
    this.asked.push(id)
    if (this.isDown) throw new TidemarkError('REGISTRY_UNAVAILABLE', 'the registry is down')
    const schema = this.#schemas.get(id)
    if (schema !== undefined) return schema
    throw new TidemarkError('SCHEMA_UNKNOWN', `the schema registry has no schema ${id}`)
  }
}

/** The subjects of a registry, each with the ids of its schemas by their text. */
export class HandSubjects implements SchemaSubjects {
  readonly url = 'http://registry'
  isDown = false
  /** The registry's objections to any schema that is not there yet. */
  objectionsToAll: readonly string[] = []
  /** The latest schema of every subject. */
  latestOfAll: RegisteredSchema | null = null
  /** The requests so far, as method and subject. */
  readonly asked: string[] = []
  readonly #ids = new Map<string, Map<string, number>>()

  add(subject: string, text: string, id: number): void {
    this.#ids.set(subject, new Map([...(this.#ids.get(subject) ?? []), [text, id]]))
  }

  async find(subject: string, { text }: NewSchema): Promise<number | null> {
    this.#ask(`find ${subject}`)
    return this.#ids.get(subject)?.get(text) ?? null
  }

  async objections(subject: string): Promise<readonly string[]> {
    this.#ask(`objections ${subject}`)
    return this.objectionsToAll
  }

  async register(subject: string, { text }: NewSchema): Promise<number> {
    this.#ask(`register ${subject}`)
    if (this.objectionsToAll.length > 0) {
      throw new TidemarkError('SCHEMA_REJECTED', this.objectionsToAll.join('; '))
    }
    this.add(subject, text, 99)
    return 99
  }

  async latest(subject: string): Promise<RegisteredSchema | null> {
    this.#ask(`latest ${subject}`)
    return this.latestOfAll
  }

  #ask(what: string): void {
    this.asked.push(what)
    if (this.isDown) throw new TidemarkError('REGISTRY_UNAVAILABLE', 'the registry is down')
  }
}

/** A value in the wire format. */
export function wireValue(id: number, payload: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(id, 1)
  return Buffer.concat([prefix, payload])
}
