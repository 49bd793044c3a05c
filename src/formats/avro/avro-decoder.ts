import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import {
  invalidPayload,
  type PayloadDecoder,
  type ScanTarget,
  unusableSchema,
} from '../registry/payload.ts'
import { avroCheck } from './avro-check.ts'
import { compileAvroScan } from './avro-scanner.ts'
import { avroType } from './avro-type.ts'

/** @throws TidemarkError `SCHEMA_UNUSABLE`: it is not a schema, or a field is named `__proto__` */
export function avroDecoder(schema: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  const { id } = schema
  const { type, check, scan } = compiled(schema, target)
  const isUnion = type.typeName === 'union:wrapped'
  return {
    scan,
    decode: (payload) => {
      const why = check(payload)
      if (why !== null) {
        throw invalidPayload(`the value does not match Avro schema ${id}: ${why}`)
      }
      let value: unknown
      try {
        value = type.fromBuffer(payload)
      } catch (thrown) {
        throw invalidPayload(`the value does not match Avro schema ${id}`, thrown)
      }
      // The member of a union is the event.
      if (isUnion) return memberOf(value)
      return { value, type: type.name ?? null }
    },
  }
}

function compiled(schema: RegisteredSchema, target: ScanTarget | null) {
  try {
    const type = avroType(schema)
    const scan = target && compileAvroScan(type, target.plain, target.bound.columns)
    return { type, check: avroCheck(type), scan }
  } catch (thrown) {
    throw unusableSchema(`Avro schema ${schema.id} cannot be used`, thrown)
  }
}

function memberOf(wrapped: unknown) {
  const [[type, value] = [null, null]] = Object.entries(wrapped ?? {})
  return { value, type }
}
