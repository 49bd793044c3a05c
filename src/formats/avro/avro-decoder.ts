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

/**
 * Decodes values of an Avro schema, with the types that its references define.
 * @param target `null`: every value is decoded
 * @throws TidemarkError `SCHEMA_UNUSABLE`: it is not a schema, or a field is named `__proto__`
 */
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
      // Of several types of event, the member of the union is the event.
      if (isUnion) return memberOf(value)
      return { value, type: type.name ?? null }
    },
  }
}

/** @throws TidemarkError `SCHEMA_UNUSABLE`, also if it is nested too deep to be compiled */
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
