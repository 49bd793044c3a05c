import type { FieldPath } from '../../columns/columns.ts'
import { Place } from '../../kernel/bytes.ts'
import type { SchemaRegistry } from '../../registry/schema-registry.ts'
import { checkedBy } from '../../topology/schema.ts'
import type { RegistrySourceFormat } from '../../topology/source.ts'
import type { FormatSource, Preparing, RawRecord, RawRecords } from '../format.ts'
import { boundOf, type RowScan } from '../json/bound.ts'
import { LIMITS } from '../json/parse-json.ts'
import { plainOf } from '../json/zod-schema.ts'
import { noSchemaId, PREFIX_BYTES, type ScanTarget, schemaIdOf } from '../payload.ts'
import { RecordFormat, valueOf } from '../record-decoding.ts'
import { KnownSchemas } from './schemas.ts'

/** Values in Confluent's wire format, whose schemas are in a schema registry. */
export function confluentFormat(
  source: FormatSource,
  { typeField }: RegistrySourceFormat,
  { registry, wanted }: { registry: SchemaRegistry; wanted: readonly FieldPath[] },
): RecordFormat {
  const target = typeField === null ? targetOf(source, wanted) : { why: 'it has a typeField' }
  const schemas = new KnownSchemas(registry, 'why' in target ? null : target)

  const read = (record: RawRecord): unknown => {
    const value = valueOf(record)
    const id = schemaIdOf(value, 0, value.length)
    if (id === null) throw noSchemaId(value.length)
    const { value: decoded, type } = schemas.decoder(id).decode(value.subarray(PREFIX_BYTES))
    const isTyped = typeField !== null && typeof decoded === 'object' && decoded !== null
    return isTyped ? { ...decoded, [typeField]: type } : decoded
  }
  const scan: RowScan = (place, columns, row) => {
    const { memory, from, to } = place
    const id = schemaIdOf(memory.bytes, from, to)
    if (id === null || to - from > LIMITS.bytes) return false
    const decoder = schemas.get(id)
    if (decoder === undefined || 'error' in decoder || decoder.scan === null) return false
    place.from += PREFIX_BYTES
    return decoder.scan(place, columns, row)
  }
  const at = new Place()
  const prepare = (records: RawRecords, how: Preparing) => {
    const missing = new Set<number>()
    for (let i = 0; i < records.length; i++) {
      records.locate(i, at)
      const id = at.from < 0 ? null : schemaIdOf(at.memory.bytes, at.from, at.to)
      if (id !== null && schemas.get(id) === undefined) missing.add(id)
    }
    const needed = [...missing].filter((id) => !schemas.isGivenUp(id, how))
    return needed.length === 0 ? null : schemas.fetch(needed, how)
  }
  const event = (record: RawRecord) => checkedBy(source.schema, read(record))
  const how = 'why' in target ? target : { forms: target.bound.columns, scan, event }
  return new RecordFormat(source, { read, prepare }, how)
}

function targetOf(
  { schema }: FormatSource,
  wanted: readonly FieldPath[],
): ScanTarget | { readonly why: string } {
  const plain = plainOf(schema)
  if (plain.kind === 'opaque') return plain
  if (plain.kind !== 'object') return { why: 'it has several kinds of event' }
  const bound = boundOf(plain, wanted)
  const columns = bound.columns.map((column) => ({ ...column, isBinary: true }) as const)
  return { plain, bound: { ...bound, columns } }
}
