import avro, { type Schema, type Type } from 'avsc'
import type { WholeSchema } from '../../registry/schema-registry.ts'

/** Compiles an Avro schema. @throws Error its fault */
export function avroType({ text, references }: Omit<WholeSchema, 'type'>): Type {
  // Types find each other by name in `registry`. Methods would look like fields.
  const options = { registry: {}, omitRecordMethods: true, typeHook: typeOf }
  for (const reference of references) avro.Type.forSchema(schemaOf(reference.text), options)
  return avro.Type.forSchema(schemaOf(text), options)
}

/** avsc takes such a field for the prototype of the record. */
function typeOf(schema: Schema): Type | undefined {
  const { fields } = schema as { readonly fields?: unknown }
  const isProto = (field: { readonly name?: unknown } | null) => field?.name === '__proto__'
  if (Array.isArray(fields) && fields.some(isProto)) throw new Error('a field is named __proto__')
  return timestampType(schema)
}

/** A primitive type may be registered by its bare name. */
function schemaOf(text: string): Schema {
  return /^\s*["{[]/.test(text) ? (JSON.parse(text) as Schema) : text.trim()
}

// Timestamps in microseconds and nanoseconds become ms since the epoch, rounded down, because no
// number holds nanoseconds exactly.
// https://avro.apache.org/docs/1.12.0/specification/#timestamps

const LOGICAL = /^(?:local-)?timestamp-(micros|nanos)$/

const MICROS = timestamp(1_000n)
const NANOS = timestamp(1_000_000n)

/** Units in a ms; `null`: the type is not such a timestamp. */
export function unitsPerMs(type: Type): number | null {
  if (type === MICROS) return 1_000
  return type === NANOS ? 1_000_000 : null
}

function timestampType(schema: Schema): Type | undefined {
  if (typeof schema !== 'object' || Array.isArray(schema)) return undefined
  const { type, logicalType } = schema as { type?: unknown; logicalType?: unknown }
  const [, unit] = LOGICAL.exec(type === 'long' ? String(logicalType) : '') ?? []
  if (unit === undefined) return undefined
  return unit === 'micros' ? MICROS : NANOS
}

function timestamp(perMs: bigint): Type {
  const units = Number(perMs)
  // oxlint-disable-next-line no-underscore-dangle -- the library's name
  return avro.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => Number(floored(bytes.readBigInt64LE(0), perMs)),
    toBuffer: (ms: number) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64LE(BigInt(ms) * perMs)
      return bytes
    },
    fromJSON: (value: number) => Math.floor(value / units),
    toJSON: (ms: number) => ms * units,
    isValid: (ms: unknown) => Number.isSafeInteger(ms),
    compare: (a: number, b: number) => Math.sign(a - b),
  })
}

function floored(value: bigint, by: bigint): bigint {
  const rounded = value / by
  return value % by < 0n ? rounded - 1n : rounded
}
