import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { avroDecoder } from '../avro/avro-decoder.ts'
import { jsonDecoder } from '../json/registered-json.ts'
import { protobufDecoder } from '../protobuf/protobuf-decoder.ts'
import type { PayloadDecoder, ScanTarget } from './payload-decoder.ts'

/**
 * Makes the decoder of a schema.
 * @param target `null`: every value is decoded, without columns
 * @throws TidemarkError `SCHEMA_UNUSABLE`
 */
export function openDecoder(schema: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  switch (schema.type) {
    case 'avro':
      return avroDecoder(schema, target)
    case 'protobuf':
      return protobufDecoder(schema)
    case 'json':
      return jsonDecoder(schema, target)
  }
}
