import type { Dictionary } from './dictionary.ts'
import type { Slabs } from './slabs.ts'
import { Summaries, type SummedColumns } from './summaries.ts'
import { TextMarks } from './text-marks.ts'

/**
 * What the histories of one kind hold and what is computed from them. Columns are identified by
 * index; column 0 is the event time.
 */
export interface HistoryColumns extends SummedColumns {
  /** Columns of an event, including the event time. */
  readonly columns: number
  /** The columns of which windows compute quantiles. */
  readonly ranked: readonly number[]
  /** The text columns whose different texts windows count. */
  readonly distinct: readonly number[]
  /** The columns that hold the numbers of a dictionary. */
  readonly texts: readonly { readonly column: number; readonly dictionary: Dictionary }[]
  /** Where the numbers of the histories are stored. */
  readonly slabs: Slabs
}

/** Sizes of the parts of a history: powers of 2, from 4 on. */
export interface HistorySizes {
  /** Maximum events of a history without blocks, which is one buffer: at least two blocks. */
  readonly buffer: number
  /** Events of a buffer that share a summary. */
  readonly run: number
  /** Events in a block. */
  readonly block: number
  /** Blocks in a group. */
  readonly group: number
  /**
   * Minimum number of newest blocks of a long history that windows walk one by one: out-of-order
   * events still reach them.
   */
  readonly unsettled: number
}

/**
 * Measured on windows of 100 to 100,000 events, see test/bench/RESULTS.md: half or twice a size
 * improves some cases and slows down others by as much.
 */
const SIZES: HistorySizes = { buffer: 256, run: 32, block: 64, group: 64, unsettled: 4 }

/** {@link HistoryColumns}, and the layout of a long history. */
export interface Layout extends HistoryColumns {
  readonly sizes: HistorySizes
  /** Columns of an event in a block: its own, then a link for each of `distinct`. */
  readonly width: number
  /** Columns that a block also keeps in order: those of `ranked`, then the links. */
  readonly ordered: readonly number[]
  /** Numbers in a block. */
  readonly blockNumbers: number
  /** Used to count different texts. */
  readonly marks: TextMarks
  /** How the sums of blocks and runs are computed. */
  readonly summaries: Summaries
  /**
   * Numbers that a sealed group keeps over all its blocks: their sums, then the ordered columns.
   */
  readonly sealNumbers: number
}

/**
 * Derives the layout.
 * @param sizes other than the default ones, so that a test with few events has many blocks
 */
export function layoutOf(held: HistoryColumns, sizes = SIZES): Layout {
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
