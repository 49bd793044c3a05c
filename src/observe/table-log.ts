import { formatDuration } from '../kernel/time.ts'
import type { EventOf } from './by-type.ts'
import type { Log } from './log.ts'

const PROGRESS_EVERY_MS = 5_000
/** Invalid records of one table that are logged one by one within a minute. */
const INVALID_PER_MINUTE = 10

/** Logs what becomes of the tables. */
export class TableLog {
  readonly #log: Log
  /** By table: when its progress was logged last. */
  readonly #toldMs = new Map<string, number>()
  /** By table: invalid records since the last minute began. */
  readonly #invalid = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  loading({ table, records, total }: EventOf<'table-loading'>, nowMs: number): void {
    const before = this.#toldMs.get(table)
    if (before !== undefined && nowMs - before < PROGRESS_EVERY_MS) return
    this.#toldMs.set(table, nowMs)
    const what = before === undefined ? 'the table is read' : 'the table is still being read'
    this.#log.info({ table, records, of: total }, what)
  }

  loaded({ table, rows, durationMs }: EventOf<'table-loaded'>): void {
    this.#toldMs.delete(table)
    const took = formatDuration(durationMs)
    this.#log.info({ table, rows, took }, 'the table is read whole and followed')
  }

  reloaded({ table, rows, contents }: EventOf<'table-reloaded'>): void {
    this.#log.info({ table, rows, contents }, "the table's file has changed and was read again")
  }

  heldUp({ table, reason }: EventOf<'table-held-up'>): void {
    if (reason === null) this.#log.info({ table }, 'the table is up to date again')
    else this.#log.warn({ table, reason }, 'the table is not updated until this ends')
  }

  invalid({ table, code, message, at }: EventOf<'table-row-invalid'>): void {
    const count = (this.#invalid.get(table) ?? 0) + 1
    this.#invalid.set(table, count)
    if (count > INVALID_PER_MINUTE) return
    this.#log.warn({ table, code, reason: message, at }, 'invalid record: its key has no row now')
  }

  /** At the end of a minute: logs the counts of what was not logged one by one. */
  tellCounts(): void {
    for (const [table, count] of this.#invalid) {
      const untold = count - INVALID_PER_MINUTE
      if (untold > 0) {
        this.#log.warn({ table, count: untold }, 'more invalid records within a minute')
      }
    }
    this.#invalid.clear()
  }
}
