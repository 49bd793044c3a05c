import type { TableDefinition } from '../topology/definition.ts'
import type { Rows } from '../topology/lookup.ts'
import { CurrentRows } from './current-rows.ts'
import type { TableRoom } from './table-room.ts'
import type { HeldRows, LookupCounts, MakeRow, TableRows } from './table-rows.ts'
import { VersionedRows } from './versioned-rows.ts'

/** What a {@link Table} works with. */
export interface TableOptions {
  /** Its name in metrics and the log, unique among the tables of a worker. */
  readonly label: string
  readonly make: MakeRow
  readonly room: TableRoom
}

/** A table in memory. All topologies that declare the same table share one. */
export class Table implements Rows {
  readonly definition: TableDefinition
  readonly #o: TableOptions
  #counts: LookupCounts = { found: 0, absent: 0, early: 0 }
  #rows: HeldRows
  #contents = ''
  #revision = 0

  constructor(definition: TableDefinition, options: TableOptions) {
    this.definition = definition
    this.#o = options
    this.#rows = this.emptyRows()
  }

  get name(): string {
    return this.definition.name
  }

  /** Its name in metrics and the log. */
  get label(): string {
    return this.#o.label
  }

  /** Number of rows, with `asOf` of versions. */
  get size(): number {
    return this.#rows.size
  }

  /** Approximate bytes held. */
  get bytes(): number {
    return this.#rows.bytes
  }

  /** Which state of its file or topic this is, for provenance. */
  get contents(): string {
    return this.#contents
  }

  /** Grows with every change of {@link contents}. */
  get revision(): number {
    return this.#revision
  }

  /**
   * The oldest time, ms since the epoch, of which the table still has every version; −Infinity: of
   * all.
   */
  get oldestMs(): number {
    return this.#rows.oldestMs
  }

  get(key: string, timeMs: number): unknown {
    return this.#rows.get(key, timeMs)
  }

  /** Rows for this table that no event sees before {@link replace}. */
  emptyRows(): TableRows {
    const { make } = this.#o
    const isVersioned = this.definition.asOf !== null
    return isVersioned ? new VersionedRows(make, this.#counts) : new CurrentRows(make, this.#counts)
  }

  /** Replaces all rows at once. */
  replace(rows: HeldRows): void {
    this.#rows = rows
  }

  /**
   * The rows have changed. @param contents which state of its file or topic they are now
   * @throws TidemarkError `TABLE_LIMIT`
   */
  changed(contents: string): void {
    this.#contents = contents
    this.#revision++
    this.checkRoom(this.#rows)
  }

  /**
   * Checks whether there is room for these rows in the place of the table's own.
   * @throws TidemarkError `TABLE_LIMIT`
   */
  checkRoom(rows: HeldRows): void {
    this.#o.room.take(this, rows.bytes)
  }

  /** Rows that were to replace its own were refused: their room is free again. */
  refused(): void {
    this.#o.room.hold(this, this.#rows.bytes)
  }

  /** What look-ups have found since the last call. */
  takeCounts(): LookupCounts {
    const { found, absent, early } = this.#counts
    Object.assign(this.#counts, { found: 0, absent: 0, early: 0 })
    return { found, absent, early }
  }
}
