import { LRUCache } from 'lru-cache'
import { RowBytes } from './row-bytes.ts'
import type { LookupCounts, MakeRow, TableRows } from './table-rows.ts'

/** Rows that are kept as objects, those looked up last. */
const RECENT = 10_000

/** The newest row of each key: as bytes, and as an object while it is looked up often. */
export class CurrentRows implements TableRows {
  readonly oldestMs = Number.NEGATIVE_INFINITY
  readonly #make: MakeRow
  readonly #counts: LookupCounts
  readonly #bytes = new RowBytes()
  readonly #recent = new LRUCache<string, ReturnType<MakeRow>>({ max: RECENT })

  constructor(make: MakeRow, counts: LookupCounts) {
    this.#make = make
    this.#counts = counts
  }

  get size(): number {
    return this.#bytes.size
  }

  get bytes(): number {
    return this.#bytes.bytes
  }

  get(key: string): unknown {
    const recent = this.#recent.get(key)
    if (recent !== undefined) {
      this.#counts.found++
      return recent
    }
    const bytes = this.#bytes.get(key)
    if (bytes === null) {
      this.#counts.absent++
      return undefined
    }
    const row = this.#make(bytes)
    this.#recent.set(key, row)
    this.#counts.found++
    return row
  }

  put(key: string, value: Buffer): void {
    this.#recent.delete(key)
    this.#bytes.set(key, value)
  }

  delete(key: string): void {
    this.#recent.delete(key)
    this.#bytes.delete(key)
  }

  withdraw(key: string): void {
    this.delete(key)
  }

  *forget(): Generator<void, void> {}
}
