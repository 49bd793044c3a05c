import { TidemarkError } from '../kernel/errors.ts'
import { keyOfRow } from '../lookup/rows.ts'
import type { NewRecord } from '../records/port.ts'
import type { Definition, TableDefinition } from '../topology/definition.ts'
import { bytesOf, headersOf, type Input } from './inputs.ts'

/** Makes records of a table's topic from the inputs of a test. */
export class TableRecords {
  readonly #tables: readonly TableDefinition[]

  constructor({ tables }: Definition) {
    this.#tables = tables
  }

  /**
   * The record of an input. Its key is, unless given, what the table's `key` returns for the value.
   * @throws TidemarkError `CONFIG_INVALID`: no such table, or its rows are in a file ·
   * `KEY_INVALID`: no key is given, and the table has no `key`
   */
  recordOf(table: string, input: Input, nowMs: number): NewRecord {
    const definition = this.#find(table)
    const { value } = input
    return {
      topic: definition.from.topic as string,
      partition: null,
      key: input.key === null ? null : Buffer.from(input.key ?? keyOf(definition, value)),
      value: bytesOf(value),
      timestampMs: input.timestampMs ?? nowMs,
      headers: headersOf(input),
    }
  }

  #find(name: string): TableDefinition {
    const found = this.#tables.find((table) => table.name === name)
    if (found?.from.topic !== undefined) return found
    const [what, hint] =
      found === undefined
        ? [
            `the topology has no table "${name}"`,
            `its tables are: ${this.#tables.map((table) => table.name).join(', ')}`,
          ]
        : [`the rows of table "${name}" are in a file`, 'only rows of a topic can be given']
    throw new TidemarkError('CONFIG_INVALID', what, { hint })
  }
}

function keyOf(definition: TableDefinition, value: unknown): string {
  if (definition.key !== null && typeof value === 'object' && value !== null) {
    return keyOfRow(definition, value)
  }
  const hint = "give the record's key: { key, value }"
  throw new TidemarkError('KEY_INVALID', `a row of table "${definition.name}" has no key`, { hint })
}
