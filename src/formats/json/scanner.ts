import type { StandardSchemaV1 } from '@standard-schema/spec'
import { generated } from '../../kernel/generated.ts'
import type { ColumnForm, FieldPath, ScannedColumns } from '../../plan/columns.ts'
import { type Bound, boundOf } from './bound.ts'
import { layoutOf } from './layout.ts'
import { compileLayout, type LayoutScan } from './layout-code.ts'
import type { RecordPlace } from './record-place.ts'
import { type ScanLimits, Walker } from './walker.ts'
import { plainOf } from './zod-schema.ts'

/** A topic may have as many producers, or kinds of event, without losing speed. */
const MAX_LAYOUTS = 4
/**
 * What none of so many layouts is for must come as often as this before one makes room: making a
 * function takes about a millisecond.
 */
const MISSES_BEFORE_NEXT = 1_024

/**
 * Fills columns from JSON, without making a value of it. It only ever accepts: what it says yes to,
 * the parser and the schema take as well, and its fields are those of their event. What it says no
 * to may be right or wrong; let them find out.
 *
 * It says no to escapes in texts, to fields twice, and to whatever the schema may change or refine.
 */
export class Scanner {
  /** Of the columns that it fills. */
  readonly forms: readonly ColumnForm[]
  readonly #limits: ScanLimits
  readonly #walker: Walker
  readonly #layouts: Layouts

  constructor(bound: Bound, limits: ScanLimits) {
    this.forms = bound.columns
    this.#limits = limits
    this.#walker = new Walker(bound, limits)
    this.#layouts = new Layouts(bound.columns.length, this.#walker)
  }

  /**
   * Takes a record into a row; `false`: it may be any record, and the row holds anything now.
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

/** A layout that records have had. */
interface KnownLayout {
  readonly scan: LayoutScan
  hits: number
}

/** Functions for the layouts that records have had. */
class Layouts {
  readonly #columns: number
  readonly #walker: Walker
  /** The most used first. */
  readonly #known: KnownLayout[] = []
  #misses = 0
  readonly #canGenerate = generated([], '') !== null

  /** @param columns how many there are */
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

  /** Lets a layout pass the one before it, if it is used more. */
  #order(i: number): void {
    const known = this.#known
    const before = known[i - 1] as KnownLayout
    const layout = known[i] as KnownLayout
    if (before.hits >= layout.hits) return
    known[i - 1] = layout
    known[i] = before
  }

  /** Of a record that the walker has just walked, and that has no known layout. */
  learn({ memory, from, to }: RecordPlace): void {
    if (!this.#canGenerate) return
    const isFull = this.#known.length === MAX_LAYOUTS
    if (isFull && ++this.#misses < MISSES_BEFORE_NEXT) return
    this.#misses = 0
    const trace = this.#walker.trace()
    const layout = trace === null ? null : layoutOf(memory.bytes, { from, to }, trace)
    if (layout === null) return
    if (isFull) this.#known.pop()
    this.#known.push({ scan: compileLayout(layout, this.#columns), hits: 0 })
  }
}

/**
 * @param wanted fields of events, each once; one that cannot be scanned gets no column
 * @returns `why`: nothing of the schema can be scanned
 */
export function compileScanner(
  schema: StandardSchemaV1,
  { wanted, limits }: { readonly wanted: readonly FieldPath[]; readonly limits: ScanLimits },
): { readonly scanner: Scanner } | { readonly why: string } {
  const plain = plainOf(schema)
  if (plain.kind === 'opaque') return plain
  if (plain.kind === 'scalar') return { why: 'it is not of objects' }
  return { scanner: new Scanner(boundOf(plain, wanted), limits) }
}
