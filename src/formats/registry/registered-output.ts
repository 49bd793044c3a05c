import { TidemarkError } from '../../kernel/errors.ts'
import type { NewSchema, SchemaSubjects } from '../../registry/schema-registry.ts'
import { refusePromise } from '../json/output.ts'
import type { OutputFormat } from '../output-format.ts'
import type { PayloadEncoder } from './payload-encoder.ts'
import { prefixOf } from './wire-format.ts'

/** The schema of a sink, and where it is in the registry. */
export interface OutputSchema {
  readonly schema: NewSchema
  readonly subject: string
  /** Whether it may be added to its subject. */
  readonly register: boolean
  /** The topology and the sink, for messages. */
  readonly where: string
}

/** Values of one schema in a schema registry, in Confluent's wire format. */
export class RegisteredOutput implements OutputFormat {
  readonly #o: OutputSchema
  readonly #encoder: PayloadEncoder
  readonly #subjects: SchemaSubjects
  /** `null`: the schema's id is not known yet. */
  #prefix: Buffer | null = null

  constructor(options: OutputSchema, encoder: PayloadEncoder, subjects: SchemaSubjects) {
    this.#o = options
    this.#encoder = encoder
    this.#subjects = subjects
  }

  /** The schema's subject. */
  get subject(): string {
    return this.#o.subject
  }

  encode(value: unknown): Buffer {
    if (this.#prefix === null) {
      throw new TidemarkError('INVARIANT', `the schema of "${this.subject}" has no id yet`)
    }
    refusePromise(value)
    return Buffer.concat([this.#prefix, this.#encoder.encode(value)])
  }

  async settle(): Promise<void> {
    if (this.#prefix !== null) return
    const { schema, subject } = this.#o
    const id = await this.#orWhere(
      async () => (await this.#find()) ?? (await this.#subjects.register(subject, schema)),
    )
    this.#prefix = prefixOf(id)
  }

  /**
   * Does what {@link settle} does without changing anything.
   * @returns the schema's id; `null`: it is not in its subject, and will be registered
   * @throws TidemarkError as `settle`
   */
  check(): Promise<number | null> {
    const { schema, subject } = this.#o
    return this.#orWhere(async () => {
      const id = await this.#find()
      const objections = id === null ? await this.#subjects.objections(subject, schema) : []
      if (objections.length === 0) return id
      throw new TidemarkError('SCHEMA_REJECTED', objections.join('; '))
    })
  }

  /** @throws TidemarkError `SCHEMA_NOT_REGISTERED`: it is not in its subject, and must be */
  async #find(): Promise<number | null> {
    const { schema, subject, register, where } = this.#o
    const id = await this.#subjects.find(subject, schema)
    if (id !== null || register) return id
    const what = `subject "${subject}" of the schema registry does not have the schema of this sink`
    const hint = 'register exactly this schema there, or set register: true in its format'
    throw new TidemarkError('SCHEMA_NOT_REGISTERED', what, { where, hint })
  }

  /** Tells of a rejected schema where it is from. */
  async #orWhere<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.code !== 'SCHEMA_REJECTED') throw thrown
      const { subject, where } = this.#o
      const what = `the schema registry does not take the schema of this sink in subject "${subject}": ${thrown.message}`
      const hint = 'change the schema so that it is compatible, or write another topic'
      throw new TidemarkError('SCHEMA_REJECTED', what, { where, hint, cause: thrown })
    }
  }
}
