import type { OutputLine } from '../../connect/files/output-lines.ts'
import type { NewRecord } from '../../connect/port.ts'
import { configFault, refuseIfAny } from '../../kernel/errors.ts'
import { bytesAsJson } from '../../kernel/json.ts'
import { ID_HEADER, LATE_HEADER, WARMING_HEADER } from '../../runtime/output/provenance.ts'
import type { Definition } from '../../topology/definition.ts'
import { withTrainingRows } from '../../topology/training-rows.ts'
import type { Labels } from './labels.ts'

/** Columns of every row, besides fields of the event and its features. */
const BASE = ['key', 'eventTime', 'partition', 'offset', 'late', 'warming', 'label', 'labelState']

type JsonOf = (partition: number, offset: number) => string

export class TrainingRows {
  /** The topology that writes them. */
  readonly definition: Definition
  /** By folder, the features of its rows, in order. */
  readonly features: ReadonlyMap<string, readonly string[]>

  /**
   * @param fields of the event that rows have besides
   * @throws Refused, or as {@link withTrainingRows}
   */
  constructor(topology: Definition, fields: readonly string[]) {
    const { definition, features } = withTrainingRows(topology, fields)
    const names = [...new Set([...features.values()].flat())]
    const twice = fields.filter((field) => [...BASE, ...names].includes(field))
    refuseIfAny([
      ...twice.map((field) => configFault(`rows have a column "${field}" already`, '--with')),
      ...names
        .filter((name) => BASE.includes(name))
        .map((name) => configFault(`rows have a column "${name}" already`, `feature ${name}`)),
    ])
    this.definition = definition
    this.features = features
  }

  /**
   * The row in a record that the topology has written.
   * @param labels `null`: it gets none @param jsonOf gives the event
   */
  lineOf({ key, value, headers }: NewRecord, labels: Labels | null, jsonOf: JsonOf): OutputLine {
    const { eventTime, ...row } = JSON.parse(String(value)) as Record<string, unknown>
    const has = (header: string) => headers.some(({ name }) => name === header)
    const id = headers.find(({ name }) => name === ID_HEADER)
    const [partition = 0, offset = 0] = String(id?.value).split('/').slice(1).map(Number)
    return {
      key: bytesAsJson(key),
      eventTime,
      partition,
      // The result of a window has no record of its own.
      offset: Number.isNaN(offset) ? null : offset,
      late: has(LATE_HEADER.name),
      warming: has(WARMING_HEADER),
      ...labels?.of(row, eventTime as number, () => jsonOf(partition, offset)),
      ...row,
    }
  }
}
