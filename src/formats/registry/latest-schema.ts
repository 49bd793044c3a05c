import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { SchemaSubjects } from '../../registry/schema-registry.ts'
import { openEncoder } from './open-encoder.ts'
import { valueShown } from './shown-json.ts'
import { prefixOf } from './wire-format.ts'

/** Which schema values are written with. */
export interface LatestSchema {
  readonly subject: string
  /** Name of the Protobuf message; `null`: the schema has one only, or is no Protobuf. */
  readonly message: string | null
}

/** Encodes a value that is written as JSON. @throws TidemarkError `OUTPUT_INVALID` */
export type EncodeJson = (json: Buffer) => Buffer

/**
 * Makes an encoder with the latest schema of a subject, in Confluent's wire format.
 * @throws TidemarkError `REGISTRY_UNAVAILABLE` · `SCHEMA_NOT_REGISTERED`: there is no such subject
 * · `CONFIG_INVALID`: its schema cannot be used
 */
export async function latestEncoder(
  subjects: SchemaSubjects,
  { subject, message }: LatestSchema,
): Promise<EncodeJson> {
  const schema = await subjects.latest(subject)
  if (schema === null) {
    const what = `the schema registry has no subject "${subject}"`
    const hint = 'register its schema, name another --subject, or write the lines --as-is'
    throw new TidemarkError('SCHEMA_NOT_REGISTERED', what, { where: subjects.url, hint })
  }
  const encoder = await openEncoder(schema, message).catch((cause: unknown) => {
    const what = `schema ${schema.id} of subject "${subject}" cannot be used: ${messageOf(cause)}`
    throw new TidemarkError('CONFIG_INVALID', what, { where: subjects.url, cause })
  })
  const prefix = prefixOf(schema.id)
  return (json) => Buffer.concat([prefix, encoder.encode(valueIn(json))])
}

function valueIn(json: Buffer): unknown {
  try {
    return valueShown(json.toString('utf8'))
  } catch {
    // Not passed on: V8's message quotes the text.
    throw new TidemarkError('OUTPUT_INVALID', 'the value is not JSON')
  }
}
