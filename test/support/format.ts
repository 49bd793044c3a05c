import { wantedFields } from '../../src/engine/author-functions.ts'
import { JsonFormat } from '../../src/formats/json/json-format.ts'
import type { Definition } from '../../src/topology/definition.ts'

/** The format with which a worker reads the events of a topology. */
export function jsonFormatOf(definition: Definition): JsonFormat {
  return new JsonFormat(definition.source, wantedFields(definition))
}
