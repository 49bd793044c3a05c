import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import { checkedDecode, type PayloadDecoder, type ScanTarget } from '../payload.ts'
import { avroWalk } from './avro-check.ts'
import { compileAvroScan } from './avro-scanner.ts'
import { avroType } from './avro-type.ts'

/** @throws Error the fault of the schema */
export function avroDecoder(schema: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  const type = avroType(schema)
  const isUnion = type.typeName === 'union:wrapped'
  return {
    scan: target && compileAvroScan(type, target.plain, target.bound.columns),
    decode: checkedDecode(`Avro schema ${schema.id}`, avroWalk(type), (payload) => {
      const value: unknown = type.fromBuffer(payload)
      // The member of a union is the event.
      return isUnion ? memberOf(value) : { value, type: type.name ?? null }
    }),
  }
}

function memberOf(wrapped: unknown) {
  const [[type, value] = [null, null]] = Object.entries(wrapped ?? {})
  return { value, type }
}
