import type { KeyedHash } from '../kernel/bytes.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { TableDefinition } from '../topology/definition.ts'
import type { Rows } from '../topology/lookup.ts'
import type { DriftDefinition } from '../topology/reuse.ts'
import { CurrentRows } from './current-rows.ts'
import { RecordRows } from './record-rows.ts'
import type { LookupCounts, MakeRow } from './rows.ts'
import { Spread } from './spread.ts'
import { VersionedRows } from './versioned-rows.ts'

interface TableOptions {
  /** Its name in metrics and the log, unique in a worker. */
  readonly label: string
  readonly make: MakeRow
  readonly room: TableRoom
  readonly hash: KeyedHash
  /** Measures that score steps need over its rows. @default none */
  readonly drifts?: readonly DriftDefinition[]
}

/** A table in memory. Topologies that declare the same table share one. */
export class LoadedTable implements Rows {
  readonly definition: TableDefinition
  readonly name: string
  readonly label: string
  /** The state of its file or topic, for provenance. */
  contents = ''
  readonly #o: TableOptions
  #counts: LookupCounts = { found: 0, absent: 0, early: 0 }
  #rows: RecordRows

  constructor(definition: TableDefinition, options: TableOptions) {
    this.definition = definition
    this.name = definition.name
    this.label = options.label
    this.#o = options
    this.#rows = this.emptyRows()
  }

  get size(): number {
    return this.#rows.size
  }

  get bytes(): number {
    return this.#rows.bytes
  }

  get(key: string, timeMs: number): unknown {
    return this.#rows.get(key, timeMs)
  }

  deviationsOf(drift: object): Float32Array {
    const spread = this.#rows.spreads.find((candidate) => candidate.drift === drift)
    if (spread !== undefined) return spread.deviations
    throw new TidemarkError('INVARIANT', `table "${this.name}" does not measure the drift`)
  }

  emptyRows(): RecordRows {
    const { make, drifts = [] } = this.#o
    const spreads = drifts.map((drift) => new Spread(drift))
    const store =
      this.definition.asOf === null
        ? new CurrentRows(this.#o, this.#counts, spreads)
        : new VersionedRows(make, this.#counts)
    return new RecordRows(this.definition, store)
  }

  replace(rows: RecordRows): void {
    this.#rows = rows
  }

  /** @throws TidemarkError `TABLE_LIMIT` */
  changed(contents: string): void {
    this.contents = contents
    this.checkRoom(this.#rows)
  }

  /** @throws TidemarkError `TABLE_LIMIT` */
  checkRoom(rows: RecordRows): void {
    this.#o.room.take(this, rows.bytes)
  }

  /** New rows were refused, so their room is free again. */
  refused(): void {
    this.#o.room.hold(this, this.#rows.bytes)
  }

  /** Look-ups after the last call. */
  takeCounts(): LookupCounts {
    const counts = { ...this.#counts }
    Object.assign(this.#counts, { found: 0, absent: 0, early: 0 })
    return counts
  }
}

/** The memory of all tables of a worker together. */
export class TableRoom {
  readonly #maxBytes: number
  readonly #bytes = new Map<object, number>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  hold(table: object, bytes: number): void {
    this.#bytes.set(table, bytes)
  }

  /** @throws TidemarkError `TABLE_LIMIT` */
  take(table: { readonly name: string }, bytes: number): void {
    this.hold(table, bytes)
    let all = 0
    for (const size of this.#bytes.values()) all += size
    if (all <= this.#maxBytes) return
    const message = `table "${table.name}" makes the tables larger than ${this.#maxBytes} bytes`
    const hint = 'raise --max-table-mb, or keep fewer or smaller rows'
    throw new TidemarkError('TABLE_LIMIT', message, { hint })
  }
}

export function lookupOf(tables: readonly LoadedTable[]): (name: string) => Rows {
  const byName = new Map(tables.map((table) => [table.name, table]))
  return (name) => {
    const table = byName.get(name)
    if (table === undefined) throw new TidemarkError('INVARIANT', `no table "${name}" was loaded`)
    return table
  }
}
