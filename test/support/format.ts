import { wantedFields } from '../../src/engine/author-functions.ts'
import { jsonFormat } from '../../src/formats/json-format.ts'
import type { RecordFormat } from '../../src/formats/record-decoding.ts'
import type { Definition } from '../../src/topology/definition.ts'

/** The format with which a worker reads the events of a topology. */
export function jsonFormatOf(definition: Definition): RecordFormat {
  return jsonFormat(definition.source, wantedFields(definition))
}
