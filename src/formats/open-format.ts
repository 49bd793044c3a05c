import { isUtf8 } from 'node:buffer'
import type { FieldPath } from '../columns/columns.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { SchemaRegistry } from '../registry/schema-registry.ts'
import { checkedBy, nameOf } from '../topology/schema.ts'
import type { DecodeFormat, RecordWithValue, SourcePartition } from '../topology/source.ts'
import { cloudEventIn } from './cloud-event-decoder.ts'
import type { Format, FormatSource, RawRecord } from './format.ts'
import { refusePromise } from './identity.ts'
import { notUtf8, parseJson } from './json/parse-json.ts'
import { jsonFormat } from './json-format.ts'
import { noRegistry } from './payload.ts'
import { type DecodeRecord, GivenRecord, RecordFormat, valueOf } from './record-decoding.ts'

const WHY_MADE = {
  text: 'its values are text',
  cloudevents: 'its values are CloudEvents',
  decode: 'its events are made by decode',
}

/**
 * @param o `wanted`: fields that the topology needs
 * @throws TidemarkError `CONFIG_INVALID`: it needs a schema registry and none is given
 */
export async function openFormat(
  source: FormatSource,
  o: { readonly wanted: readonly FieldPath[]; readonly registry: SchemaRegistry | null },
): Promise<Format> {
  const { wanted, registry } = o
  const { format, topic } = source
  if (format.is === 'json') return jsonFormat(source, wanted)
  if (format.is !== 'registry') {
    return new RecordFormat(source, { read: recordReader(source) }, { why: WHY_MADE[format.is] })
  }
  if (registry === null) throw noRegistry(`the values of "${topic}" have their schemas`)
  // Loaded on demand, because it loads the library of Avro, and that of Protobuf's descriptors.
  const { confluentFormat } = await import('./registry/confluent-format.ts')
  return confluentFormat(source, format, { registry, wanted })
}

/**
 * Decodes events, those with a schema in a registry as JSON, because people write them so.
 * @throws TidemarkError for JSON the first of: `TOMBSTONE` · `NULL_KEY` · `RECORD_TOO_LARGE` ·
 * `NOT_UTF8` · `JSON_DEPTH` · `JSON_FIELDS` · `JSON_INVALID` · `JSON_PROTO` · `SCHEMA_INVALID` ·
 * `FUNCTION_THREW` (in the schema)
 */
export function recordDecoder(source: Pick<FormatSource, 'schema' | 'format'>): DecodeRecord {
  const read = recordReader(source)
  return (record, from) => checkedBy(source.schema, read(record, from))
}

function recordReader({ format }: Pick<FormatSource, 'format'>): DecodeRecord {
  switch (format.is) {
    case 'json':
    case 'registry':
      return (record) => parseJson(valueOf(record))
    case 'cloudevents':
      return cloudEventIn
    case 'text':
      return textIn
    case 'decode':
      return (record, from) => madeBy(format, record, from)
  }
}

/** @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · `NOT_UTF8` */
function textIn(record: RawRecord): string {
  const value = valueOf(record)
  if (!isUtf8(value)) throw notUtf8(value)
  return value.toString('utf8')
}

/** @throws TidemarkError the first of: `NULL_KEY` · `RECORD_TOO_LARGE` · `PAYLOAD_INVALID` */
function madeBy({ decode }: DecodeFormat, record: RawRecord, from: SourcePartition): unknown {
  valueOf(record)
  let made: unknown
  try {
    made = decode(new GivenRecord(record, from) as RecordWithValue)
  } catch (cause) {
    throw new TidemarkError('PAYLOAD_INVALID', `decode threw ${nameOf(cause)}`, { cause })
  }
  refusePromise(made, 'decode returned', 'PAYLOAD_INVALID')
  return made
}
