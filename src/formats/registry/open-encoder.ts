import type { WholeSchema } from '../../registry/schema-registry.ts'
import type { PayloadEncoder } from './payload-encoder.ts'

/**
 * Makes the encoder of a schema.
 * @param message name of the Protobuf message; `null`: the only one, or it is no Protobuf
 * @throws Error what is wrong with the schema
 */
export async function openEncoder(
  schema: WholeSchema,
  message: string | null,
): Promise<PayloadEncoder> {
  // Loaded on demand: the encoders' libraries are large, and most topologies write JSON.
  switch (schema.type) {
    case 'avro':
      return (await import('../avro/avro-encoder.ts')).avroEncoder(schema)
    case 'protobuf':
      return (await import('../protobuf/protobuf-encoder.ts')).protobufEncoder(schema, message)
    case 'json':
      return (await import('../json/json-schema-encoder.ts')).jsonSchemaEncoder(schema)
  }
}
