import avro, { type Schema, type Type } from 'avsc'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import {
  invalidPayload,
  type PayloadDecoder,
  type ScanTarget,
  unusableSchema,
} from '../registry/payload-decoder.ts'
import { compileAvroScan } from './avro-scanner.ts'
import { avroType } from './avro-type.ts'
import { skipperOf } from './bounded.ts'

/**
 * Decodes values of an Avro schema, with the types that its references define.
 * @param o `reader`: the schema that values are resolved to; `null`: they stay as they were
 * written; `target`: `null`: every value is decoded
 * @throws TidemarkError `SCHEMA_UNUSABLE`: it is not a schema, or cannot be resolved to `reader`
 */
export function avroDecoder(
  schema: RegisteredSchema,
  { reader, target }: { readonly reader: unknown; readonly target: ScanTarget | null },
): PayloadDecoder {
  const { id } = schema
  const written = typeOf(schema)
  const skip = skipperOf(written)
  const [type, resolver] = resolved(written, reader, id)
  const isUnion = type.typeName === 'union:wrapped'
  const isScanned = target !== null && resolver === undefined
  return {
    scan: isScanned ? compileAvroScan(type, target.plain, target.bound.columns) : null,
    decode: (payload) => {
      if (skip(payload, 0, payload.length) < 0) {
        throw invalidPayload(
          `the value is cut off, nested too deep, or has a long below −2^52, for Avro schema ${id}`,
        )
      }
      let value: unknown
      try {
        value = type.fromBuffer(payload, resolver)
      } catch (thrown) {
        throw invalidPayload(`the value does not match Avro schema ${id}`, thrown)
      }
      // Of several types of event, the member of the union is the event.
      if (isUnion) return memberOf(value)
      return { value, type: type.name ?? null }
    },
  }
}

/** @throws TidemarkError `SCHEMA_UNUSABLE` */
function typeOf(schema: RegisteredSchema): Type {
  try {
    return avroType(schema)
  } catch (thrown) {
    throw unusableSchema(`Avro schema ${schema.id} cannot be used`, thrown)
  }
}

type Resolver = ReturnType<Type['createResolver']>

function resolved(written: Type, reader: unknown, id: number): [Type, Resolver?] {
  if (reader === null) return [written]
  const type = avro.Type.forSchema(reader as Schema, { omitRecordMethods: true })
  try {
    return type.equals(written) ? [type] : [type, type.createResolver(written)]
  } catch (thrown) {
    throw unusableSchema(`Avro schema ${id} cannot be resolved to the reader's schema`, thrown)
  }
}

function memberOf(wrapped: unknown) {
  const [[type, value] = [null, null]] = Object.entries(wrapped ?? {})
  return { value, type }
}

/** @throws TidemarkError `TOPOLOGY_INVALID`: it is not an Avro schema */
export function checkReader(reader: unknown, topic: string): void {
  if (reader === null) return
  try {
    avro.Type.forSchema(reader as Schema)
  } catch (thrown) {
    const what = `the reader's schema is not an Avro schema: ${messageOf(thrown)}`
    throw new TidemarkError('TOPOLOGY_INVALID', what, { where: topic, cause: thrown })
  }
}
