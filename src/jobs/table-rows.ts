import { type Line, linesOf, openInput, splitKey } from '../connect/files/lines.ts'
import type { MemoryRecords } from '../connect/memory/memory-records.ts'
import type { NewRecord } from '../connect/port.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { UNWRITTEN } from '../formats/record-decoding.ts'
import { configFault, orFault, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import { recordKeyOf, timeOfRow } from '../lookup/rows.ts'
import type { Definition, TableDefinition } from '../topology/definition.ts'
import type { JobReport } from './report.ts'

// Rows of tables and stores that are given in files.

export function tablesInTopics({ tables }: Definition): readonly TableDefinition[] {
  return tables.filter(({ from }) => from.topic !== undefined)
}

/**
 * Says which tables or stores have no rows. @param candidates those whose rows can be given
 * @throws Refused rows of others
 */
export function checkRows(
  kind: 'table' | 'store',
  candidates: readonly { readonly name: string }[],
  { rows, report }: { readonly rows: ReadonlyMap<string, unknown>; readonly report: JobReport },
): void {
  const names = candidates.map(({ name }) => name)
  const hint = names.length === 0 ? 'it has none' : `it has: ${names.join(', ')}`
  const strange = [...rows.keys()].filter((name) => !names.includes(name))
  const message = (name: string) => `the topology has no ${kind} "${name}" whose rows can be given`
  refuseIfAny(strange.map((name) => configFault(message(name), `--${kind}`, hint)))
  for (const name of names.filter((each) => !rows.has(each))) {
    report.say(`${kind} "${name}" is empty: give its rows with --${kind} ${name}=rows.ndjson`)
  }
}

/** Writes the rows of files to the topics of tables. @param files by table */
export async function feedTables(
  definition: Definition,
  files: ReadonlyMap<string, string>,
  records: MemoryRecords,
): Promise<void> {
  for (const table of tablesInTopics(definition)) {
    const path = files.get(table.name)
    if (path !== undefined) await feedRows(table, await openInput(path), records)
  }
}

/**
 * Writes each line of a file to a table's topic, in one partition, because later lines count; a key
 * and nothing after it is a tombstone, which has the time of the row before it.
 * @throws TidemarkError `TABLE_INVALID`: a line is not a row, or has no key and the table finds
 * none
 */
export async function feedRows(
  table: TableDefinition,
  stream: Awaited<ReturnType<typeof openInput>>,
  records: MemoryRecords,
): Promise<void> {
  const topic = table.from.topic as string
  const decode = recordDecoder(table)
  const shared = { topic, partition: 0, headers: [] }
  let timestampMs = 0
  const recordOf = (line: Line): NewRecord => {
    const { key, value } = splitKey(line.bytes)
    if (value.length === 0) return { ...shared, key, value: null, timestampMs }
    try {
      const record = {
        offset: UNWRITTEN,
        timestampMs: NO_TIMESTAMP,
        headers: [],
        key: NO_KEY,
        value,
      }
      const row = decode(record, { topic, partition: UNWRITTEN })
      timestampMs = timeOfRow(table, row)
      return { ...shared, key: key ?? recordKeyOf(table, row), value, timestampMs }
    } catch (thrown) {
      const message = `table "${table.name}", line ${line.number}: ${orFault(thrown).message}`
      throw new TidemarkError('TABLE_INVALID', message, { where: '--table' })
    }
  }
  for await (const lines of linesOf(stream)) records.produce(lines.map(recordOf))
}

const NO_KEY = Buffer.alloc(0)
