import type { FieldPath } from '../columns/columns.ts'
import { checkedBy } from '../topology/schema.ts'
import type { FormatSource, RawRecord } from './format.ts'
import { boundOf } from './json/bound.ts'
import { parseJson } from './json/parse-json.ts'
import { Scanner } from './json/scanner.ts'
import { plainOf } from './json/zod-schema.ts'
import { RecordFormat, valueOf } from './record-decoding.ts'

const NO_OBJECTS = { why: 'its values are not objects' }

/** JSON in UTF-8, checked by the schema of the source. @param wanted fields that are needed */
export function jsonFormat(source: FormatSource, wanted: readonly FieldPath[]): RecordFormat {
  const { schema } = source
  const reading = { read: (record: RawRecord) => parseJson(valueOf(record)) }
  const plain = plainOf(schema)
  if (plain.kind === 'opaque') return new RecordFormat(source, reading, plain)
  if (plain.kind === 'scalar') return new RecordFormat(source, reading, NO_OBJECTS)
  const scanner = new Scanner(boundOf(plain, wanted))
  return new RecordFormat(source, reading, {
    forms: scanner.forms,
    scan: (place, columns, row) => scanner.scan(place, columns, row),
    // The scanner accepts only valid JSON within the limits.
    event: ({ value }) => checkedBy(schema, JSON.parse((value as Buffer).toString('utf8'))),
  })
}
