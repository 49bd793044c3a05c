import type { Dictionary } from './dictionary.ts'
import type { Slabs } from './slabs.ts'
import { Summaries, type Summed } from './summaries.ts'
import { TextMarks } from './text-marks.ts'

/**
 * What the histories of one kind hold and what is asked of them. Columns are named by index; column
 * 0 is the event time.
 */
export interface Held extends Summed {
  /** Columns of an event, the event time among them. */
  readonly columns: number
  /** The columns that windows take quantiles of. */
  readonly ranked: readonly number[]
  /** The text columns whose different texts windows count. */
  readonly distinct: readonly number[]
  /** The columns that hold the numbers of a dictionary. */
  readonly texts: readonly { readonly column: number; readonly dictionary: Dictionary }[]
  /** Where their numbers lie. */
  readonly slabs: Slabs
}

/** Powers of 2, from 4 on. */
export interface Sizes {
  /** Events up to which a history is one buffer: at least two blocks. */
  readonly buffer: number
  /** Events of a buffer that share a summary. */
  readonly run: number
  /** Events in a block. */
  readonly block: number
  /** Blocks in a group. */
  readonly group: number
  /**
   * Newest blocks of a long history that windows go over one by one, at least: events out of order
   * still reach them.
   */
  readonly unsettled: number
}

/**
 * Measured on windows of 100 to 100,000 events, see test/bench/RESULTS.md: halves and doubles gain
 * somewhere what they lose elsewhere.
 */
const SIZES: Sizes = { buffer: 256, run: 32, block: 64, group: 64, unsettled: 4 }

/** {@link Held}, and how a long history lays it out. */
export interface Layout extends Held {
  readonly sizes: Sizes
  /** Columns of an event in a block: behind its own a link for each of `distinct`. */
  readonly width: number
  /** Columns of a block that it also keeps in order: those of `ranked`, then the links. */
  readonly ordered: readonly number[]
  readonly blockNumbers: number
  /** To count different texts with. */
  readonly marks: TextMarks
  /** What blocks and runs come to. */
  readonly summaries: Summaries
  /**
   * Numbers that a sealed group keeps of all its blocks: what they come to, then the ordered
   * columns.
   */
  readonly sealNumbers: number
}

/** @param sizes other ones than fit, so that a test of few events comes to many blocks */
export function layoutOf(held: Held, sizes = SIZES): Layout {
  const { columns, ranked, distinct } = held
  const width = columns + distinct.length
  const ordered = [...ranked, ...distinct.map((_, d) => columns + d)]
  const summaries = new Summaries(held)
  return {
    ...held,
    sizes,
    width,
    ordered,
    marks: new TextMarks(),
    blockNumbers: (width + ordered.length) * sizes.block,
    summaries,
    sealNumbers: summaries.numbers + ordered.length * sizes.block * sizes.group,
  }
}
