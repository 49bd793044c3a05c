import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { SchemaSubjects, SchemaType, WholeSchema } from '../registry/schema-registry.ts'
import type { SinkStep } from '../topology/definition.ts'
import type { RegisteredFormat } from '../topology/sink-format.ts'
import type { OutputFormat } from './output-format.ts'
import { openEncoder } from './registry/open-encoder.ts'
import type { PayloadEncoder } from './registry/payload-encoder.ts'

/** What the format of a sink is made from. */
export interface OutputParts {
  /** Where the sinks' schemas are; `json`: nowhere, values are shown as JSON; `null`: not given. */
  readonly subjects: SchemaSubjects | 'json' | null
  /** The topology and the sink, for messages. */
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
 * `CONFIG_INVALID`: it needs a schema registry and none is given
 */
export async function openOutput(
  { format, topic }: SinkStep,
  { subjects, where }: OutputParts,
): Promise<OutputFormat | null> {
  if (format === undefined) return null
  const refused = (what: string, cause?: unknown) =>
    new TidemarkError('TOPOLOGY_INVALID', what, { where, cause })
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
  if (subjects === null) {
    const what = `the values of "${topic}" have their schema in a schema registry, and none is given`
    const hint = 'give its address: --registry http://host:port'
    throw new TidemarkError('CONFIG_INVALID', what, { hint })
  }
  const { RegisteredOutput } = await import('./registry/registered-output.ts')
  const { register } = format
  return new RegisteredOutput({ schema, subject, register, where }, encoder, subjects)
}

/** What types would have found: a topology may be run without having been compiled. */
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

async function shownOutput(schema: WholeSchema, encoder: PayloadEncoder): Promise<OutputFormat> {
  const [{ ShownOutput }, { openDecoder }] = await Promise.all([
    import('./registry/shown-output.ts'),
    import('./registry/open-decoder.ts'),
  ])
  return new ShownOutput(encoder, openDecoder({ ...schema, id: 0 }, null))
}
