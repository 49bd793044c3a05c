import { TidemarkError } from '../kernel/errors.ts'

/** The memory that all tables of a worker may take together. */
export class TableRoom {
  readonly #maxBytes: number
  readonly #bytes = new Map<object, number>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A table holds this many bytes, which it did before. */
  hold(table: object, bytes: number): void {
    this.#bytes.set(table, bytes)
  }

  /**
   * A table takes this many bytes now.
   * @throws TidemarkError `TABLE_LIMIT`: all tables together are too large
   */
  take(table: { readonly name: string }, bytes: number): void {
    this.hold(table, bytes)
    let all = 0
    for (const of of this.#bytes.values()) all += of
    if (all <= this.#maxBytes) return
    const what = `table "${table.name}" makes the tables larger than ${this.#maxBytes} bytes`
    const hint = 'raise --max-table-mb, or keep fewer or smaller rows'
    throw new TidemarkError('TABLE_LIMIT', what, { hint })
  }
}
