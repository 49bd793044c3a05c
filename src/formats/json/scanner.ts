import type { ColumnForm, ScannedColumns } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import { generated } from '../../kernel/node.ts'
import type { Bound, RowScan } from './bound.ts'
import { compileLayout, recordLayoutOf } from './layout.ts'
import { LIMITS } from './parse-json.ts'
import { Walker } from './walker.ts'

/** Producers, or kinds of event, that a topic may have at full speed. */
const MAX_LAYOUTS = 4
/** Records without a known layout before one is replaced, because compiling takes a millisecond. */
const MISSES_BEFORE_NEXT = 1_024

/**
 * Fills columns from JSON, without creating a value. Parser and schema accept its values, with the
 * same fields, and decide on the rest, such as escapes in texts or duplicate fields.
 */
export class Scanner {
  readonly forms: readonly ColumnForm[]
  readonly #walker: Walker
  /** The layouts of the latest records, the most used first. */
  readonly #layouts: KnownLayout[] = []
  #misses = 0
  readonly #canGenerate = generated([], '') !== null

  constructor(bound: Bound) {
    this.forms = bound.columns
    this.#walker = new Walker(bound)
  }

  scan(place: Place, columns: ScannedColumns, row: number): boolean {
    if (place.to - place.from > LIMITS.bytes) return false
    const layouts = this.#layouts
    for (let i = 0; i < layouts.length; i++) {
      const layout = layouts[i] as KnownLayout
      if (!layout.scan(place, columns, row)) continue
      layout.hits++
      if (i > 0) this.#order(i)
      return true
    }
    if (!this.#walker.walk(place, columns, row)) return false
    this.#learn(place)
    return true
  }

  /** Moves a layout one place forward if it is used more. */
  #order(i: number): void {
    const layouts = this.#layouts
    const before = layouts[i - 1] as KnownLayout
    const layout = layouts[i] as KnownLayout
    if (before.hits >= layout.hits) return
    layouts[i - 1] = layout
    layouts[i] = before
  }

  /** Compiles the layout of the record that the walker has just walked. */
  #learn({ memory, from, to }: Place): void {
    if (!this.#canGenerate) return
    const isFull = this.#layouts.length === MAX_LAYOUTS
    if (isFull && ++this.#misses < MISSES_BEFORE_NEXT) return
    this.#misses = 0
    const layout = recordLayoutOf(memory.bytes, { from, to }, this.#walker.trace)
    if (layout === null) return
    if (isFull) this.#layouts.pop()
    const scan = compileLayout(layout, this.forms.length, this.#walker.bound.below)
    this.#layouts.push({ scan, hits: 0 })
  }
}

interface KnownLayout {
  readonly scan: RowScan
  hits: number
}
