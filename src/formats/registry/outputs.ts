import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type {
  NewSchema,
  SchemaSubjects,
  SchemaType,
  WholeSchema,
} from '../../registry/schema-registry.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { RegisteredFormat } from '../../topology/sink-format.ts'
import type { OutputFormat } from '../format.ts'
import { refusePromise } from '../identity.ts'
import { shownJson, valueShown } from '../json/output.ts'
import { checkSize, noRegistry, type PayloadEncoder, prefixOf } from '../payload.ts'

export interface OutputParts {
  /** The registry of the schemas; `json`: values are shown as JSON; `null`: not given. */
  readonly subjects: SchemaSubjects | 'json' | null
  readonly where: string
}

const TYPES: Readonly<Record<RegisteredFormat['is'], SchemaType>> = {
  avro: 'avro',
  protobuf: 'protobuf',
  'json-schema': 'json',
}

/**
 * Makes the format of a sink; `null`: it writes JSON.
 * @throws TidemarkError `TOPOLOGY_INVALID`: its schema is invalid, or lacks the message or a name ·
 * `CONFIG_INVALID`: no registry is given
 */
export async function openOutput(
  { format, topic }: SinkStep,
  { subjects, where }: OutputParts,
): Promise<OutputFormat | null> {
  if (format === undefined) return null
  const refused = (message: string, cause?: unknown) =>
    new TidemarkError('TOPOLOGY_INVALID', message, { where, cause })
  const mistake = mistakeIn(format)
  if (mistake !== null) throw refused(mistake)
  const schema = { type: TYPES[format.is], text: format.schema, references: [] }
  const encoder = await openEncoder(schema, format.message).catch((thrown: unknown) => {
    throw refused(`the schema of this sink cannot be used: ${messageOf(thrown)}`, thrown)
  })
  const subject = format.subject === 'topic' ? `${topic}-value` : encoder.type
  if (subject === null) {
    throw refused("subject 'record' needs a schema with a name, and this one has none")
  }
  if (subjects === 'json') return shownOutput(schema, encoder)
  if (subjects === null) throw noRegistry(`the values of "${topic}" have their schema`)
  const { register } = format
  return new RegisteredOutput({ schema, subject, register, where }, encoder, subjects)
}

/** The mistake that types would have found: topologies may run without being compiled. */
function mistakeIn(format: RegisteredFormat): string | null {
  const { is, schema, subject, register }: Partial<Record<keyof RegisteredFormat, unknown>> = format
  if (typeof is !== 'string' || !Object.hasOwn(TYPES, is) || typeof schema !== 'string') {
    return 'format must be what avro(schema), protobuf(source) or jsonSchema(schema) returns'
  }
  if (subject !== 'topic' && subject !== 'record') {
    return `subject "${String(subject)}" must be one of topic, record`
  }
  return typeof register === 'boolean'
    ? null
    : `register must be true or false, not ${typeof register}`
}

/** Writes the values that a consumer decodes, as JSON; needs no registry. */
async function shownOutput(schema: WholeSchema, encoder: PayloadEncoder): Promise<OutputFormat> {
  const { openDecoder } = await import('./schemas.ts')
  const decoder = openDecoder({ ...schema, id: 0 }, null)
  return {
    encode: (value) => {
      refusePromise(value, 'an output is')
      const payload = Buffer.from(encoder.encode(value))
      return Buffer.from(shownJson(decoder.decode(payload).value))
    },
    register: async () => {},
  }
}

/** `where`, for messages: the topology and the sink. `register`: the schema may be added. */
export interface OutputSchema extends Pick<OutputParts, 'where'> {
  readonly schema: NewSchema
  readonly subject: string
  readonly register: boolean
}

/** Writes values of a schema in a registry, in Confluent's wire format. */
export class RegisteredOutput implements OutputFormat {
  readonly #o: OutputSchema
  readonly #encoder: PayloadEncoder
  readonly #subjects: SchemaSubjects
  #prefix: Buffer | null = null

  constructor(options: OutputSchema, encoder: PayloadEncoder, subjects: SchemaSubjects) {
    this.#o = options
    this.#encoder = encoder
    this.#subjects = subjects
  }

  get subject(): string {
    return this.#o.subject
  }

  encode(value: unknown): Buffer {
    if (this.#prefix === null) {
      throw new TidemarkError('INVARIANT', `the schema of "${this.subject}" has no id yet`)
    }
    refusePromise(value, 'an output is')
    return Buffer.concat([this.#prefix, this.#encoder.encode(value)])
  }

  async register(): Promise<void> {
    if (this.#prefix !== null) return
    const { schema, subject } = this.#o
    const id = await this.#orWhere(
      async () => (await this.#find()) ?? (await this.#subjects.register(subject, schema)),
    )
    this.#prefix = prefixOf(id)
  }

  /** Throws as {@link register} would. @returns the id; `null`: it will be registered */
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
    const message = `subject "${subject}" of the schema registry does not have the schema of this sink`
    const hint = 'register exactly this schema there, or set register: true in its format'
    throw new TidemarkError('SCHEMA_NOT_REGISTERED', message, { where, hint })
  }

  async #orWhere<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.code !== 'SCHEMA_REJECTED') throw thrown
      const { subject, where } = this.#o
      const message = `the schema registry does not take the schema of this sink in subject "${subject}": ${thrown.message}`
      const hint = 'change the schema so that it is compatible, or write another topic'
      throw new TidemarkError('SCHEMA_REJECTED', message, { where, hint, cause: thrown })
    }
  }
}

/** @throws Error the fault of the schema */
async function openEncoder(schema: WholeSchema, message: string | null): Promise<PayloadEncoder> {
  checkSize(schema)
  // Loaded on demand: the libraries are large, and most topologies write JSON.
  switch (schema.type) {
    case 'avro':
      return (await import('../avro/avro-encoder.ts')).avroEncoder(schema)
    case 'protobuf':
      return (await import('../protobuf/protobuf-encoder.ts')).protobufEncoder(schema, message)
    case 'json':
      return (await import('./json-schema.ts')).jsonSchemaEncoder(schema)
  }
}

/** @throws TidemarkError `OUTPUT_INVALID` */
export type EncodeJson = (json: Buffer) => Buffer

/**
 * @param latest `message`: name of the Protobuf message; `null`: the only one, or not Protobuf
 * @throws TidemarkError `REGISTRY_UNAVAILABLE` · `SCHEMA_NOT_REGISTERED`: there is no such subject
 * · `CONFIG_INVALID`: its schema cannot be used
 */
export async function latestEncoder(
  subjects: SchemaSubjects,
  latest: { readonly subject: string; readonly message: string | null },
): Promise<EncodeJson> {
  const { subject, message } = latest
  const schema = await subjects.latest(subject)
  if (schema === null) {
    const reason = `the schema registry has no subject "${subject}"`
    const hint = 'register its schema, name another --subject, or write the lines --as-is'
    throw new TidemarkError('SCHEMA_NOT_REGISTERED', reason, { where: subjects.url, hint })
  }
  const encoder = await openEncoder(schema, message).catch((cause: unknown) => {
    const reason = `schema ${schema.id} of subject "${subject}" cannot be used: ${messageOf(cause)}`
    throw new TidemarkError('CONFIG_INVALID', reason, { where: subjects.url, cause })
  })
  const prefix = prefixOf(schema.id)
  return (json) => Buffer.concat([prefix, encoder.encode(valueIn(json))])
}

function valueIn(json: Buffer): unknown {
  try {
    return valueShown(json.toString('utf8'))
  } catch {
    // The message of V8 quotes the text, so it is not passed on.
    throw new TidemarkError('OUTPUT_INVALID', 'the value is not JSON')
  }
}
