import { TidemarkError } from '../kernel/errors.ts'
import type { Lookup } from '../topology/lookup.ts'
import type { Table } from './table.ts'
import { readTableFile } from './table-file.ts'

/**
 * Reads every table that is in a file.
 * @returns `TABLE_INVALID` and `TABLE_LIMIT`; empty if all tables can be used
 */
export async function readTables(tables: readonly Table[]): Promise<readonly TidemarkError[]> {
  const inFiles = tables.filter(({ definition }) => definition.from.file !== undefined)
  const faults = await Promise.all(
    inFiles.map(async (table) => {
      const read = await readTableFile(table)
      if (read === null) return []
      if (read.faults.length > 0) return read.faults
      table.replace(read.rows)
      table.changed(read.contents)
      return []
    }),
  )
  return faults.flat()
}

/** Finds the tables of a topology by their names. */
export function lookupOf(tables: readonly Table[]): Lookup {
  const byName = new Map(tables.map((table) => [table.name, table]))
  return (name) => {
    const table = byName.get(name)
    if (table === undefined) throw new TidemarkError('INVARIANT', `no table "${name}" was loaded`)
    return table
  }
}
