import type { LoadedTable } from '../lookup/table.ts'
import type { TableFormat } from './table-format.ts'

/** A table, and how the records of its topic become rows. */
export interface PreparedTable {
  readonly table: LoadedTable
  /** `null`: its rows are in a file. */
  readonly format: TableFormat | null
}
