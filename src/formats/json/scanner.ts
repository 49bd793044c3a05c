import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ColumnForm, FieldPath, ScannedColumns } from '../../columns/columns.ts'
import { generated } from '../../kernel/node.ts'
import { type Bound, boundOf } from './bound.ts'
import { recordLayoutOf } from './layout.ts'
import { compileLayout, type LayoutScan } from './layout-code.ts'
import type { JsonLimits } from './limits.ts'
import type { RecordPlace } from './record-place.ts'
import { Walker } from './walker.ts'
import { plainOf } from './zod-schema.ts'

/**
 * Maximum number of layouts: a topic may have this many producers, or kinds of event, without
 * losing speed.
 */
const MAX_LAYOUTS = 4
/**
 * Once all layouts are in use, this many records must match none of them before one is replaced:
 * compiling a function takes about a millisecond.
 */
const MISSES_BEFORE_NEXT = 1_024

/**
 * Fills columns from JSON, without creating a value. If it accepts a record, the parser and the
 * schema accept it too, and its fields are those of the event. A record that it does not accept may
 * be valid or not: the parser and the schema decide.
 *
 * It does not accept escapes in texts, duplicate fields, and whatever the schema may change or
 * refine.
 */
export class Scanner {
  /** The columns that it fills. */
  readonly forms: readonly ColumnForm[]
  readonly #limits: JsonLimits
  readonly #walker: Walker
  readonly #layouts: Layouts

  constructor(bound: Bound, limits: JsonLimits) {
    this.forms = bound.columns
    this.#limits = limits
    this.#walker = new Walker(bound, limits)
    this.#layouts = new Layouts(bound.columns.length, this.#walker)
  }

  /**
   * Scans a record into a row; `false`: the record is not accepted, and the contents of the row are
   * undefined.
   *
   * @param row below the columns' capacity
   */
  scan(place: RecordPlace, columns: ScannedColumns, row: number): boolean {
    if (place.to - place.from > this.#limits.bytes) return false
    if (this.#layouts.scan(place, columns, row)) return true
    if (!this.#walker.walk(place, columns, row)) return false
    this.#layouts.learn(place)
    return true
  }
}

/** A layout that records have had, and its compiled scan function. */
interface KnownLayout {
  readonly scan: LayoutScan
  hits: number
}

/** The scan functions for the layouts that records have had. */
class Layouts {
  readonly #columns: number
  readonly #walker: Walker
  /** The most used one first. */
  readonly #known: KnownLayout[] = []
  #misses = 0
  readonly #canGenerate = generated([], '') !== null

  /** @param columns number of columns */
  constructor(columns: number, walker: Walker) {
    this.#columns = columns
    this.#walker = walker
  }

  scan(place: RecordPlace, columns: ScannedColumns, row: number): boolean {
    const known = this.#known
    for (let i = 0; i < known.length; i++) {
      const layout = known[i] as KnownLayout
      if (!layout.scan(place, columns, row)) continue
      layout.hits++
      if (i > 0) this.#order(i)
      return true
    }
    return false
  }

  /** Moves a layout before the previous one if it is used more. */
  #order(i: number): void {
    const known = this.#known
    const before = known[i - 1] as KnownLayout
    const layout = known[i] as KnownLayout
    if (before.hits >= layout.hits) return
    known[i - 1] = layout
    known[i] = before
  }

  /**
   * Compiles the layout of a record that the walker has just walked and that matches no known
   * layout.
   */
  learn({ memory, from, to }: RecordPlace): void {
    if (!this.#canGenerate) return
    const isFull = this.#known.length === MAX_LAYOUTS
    if (isFull && ++this.#misses < MISSES_BEFORE_NEXT) return
    this.#misses = 0
    const trace = this.#walker.trace()
    const layout = trace === null ? null : recordLayoutOf(memory.bytes, { from, to }, trace)
    if (layout === null) return
    if (isFull) this.#known.pop()
    this.#known.push({ scan: compileLayout(layout, this.#columns), hits: 0 })
  }
}

/**
 * Compiles a scanner for a schema.
 * @param wanted fields of events, each once; one that cannot be scanned gets no column
 * @returns `why`: nothing of the schema can be scanned
 */
export function compileScanner(
  schema: StandardSchemaV1,
  { wanted, limits }: { readonly wanted: readonly FieldPath[]; readonly limits: JsonLimits },
): { readonly scanner: Scanner } | { readonly why: string } {
  const plain = plainOf(schema)
  if (plain.kind === 'opaque') return plain
  if (plain.kind === 'scalar') return { why: 'its values are not objects' }
  return { scanner: new Scanner(boundOf(plain, wanted), limits) }
}
