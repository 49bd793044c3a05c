import type { WholeSchema } from '../../registry/schema-registry.ts'
import { checkedEncode } from '../fit.ts'
import type { PayloadEncoder } from '../registry/payload-encoder.ts'
import { avroFit } from './avro-fit.ts'
import { avroType } from './avro-type.ts'

/**
 * Encodes values of an Avro schema.
 * @throws Error what is wrong with the schema
 */
export function avroEncoder(schema: WholeSchema): PayloadEncoder {
  const type = avroType(schema)
  const name = type.name ?? null
  const words = name === null ? 'Avro schema' : `Avro schema ${name}`
  return {
    type: name,
    encode: checkedEncode(words, avroFit(type), (value) => type.toBuffer(value)),
  }
}
