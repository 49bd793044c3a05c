import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { avroDecoder } from '../avro/avro-decoder.ts'
import { jsonDecoder } from '../json/registered-json.ts'
import { protobufDecoder } from '../protobuf/protobuf-decoder.ts'
import type { PayloadDecoder, ScanTarget } from './payload-decoder.ts'

/** What values are decoded to. */
interface DecodedAs {
  /** Avro schema that values are resolved to; `null`: they stay as they were written. */
  readonly reader: unknown
  /** `null`: every value is decoded. */
  readonly target: ScanTarget | null
}

/** Values as they were written, without columns. */
export const AS_WRITTEN: DecodedAs = { reader: null, target: null }

/**
 * Makes the decoder of a schema.
 * @throws TidemarkError `SCHEMA_UNUSABLE`
 */
export function openDecoder(schema: RegisteredSchema, as: DecodedAs): PayloadDecoder {
  switch (schema.type) {
    case 'avro':
      return avroDecoder(schema, as)
    case 'protobuf':
      return protobufDecoder(schema)
    case 'json':
      return jsonDecoder(schema, as.target)
  }
}
