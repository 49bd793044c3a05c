import type { KeyedHash } from '../../kernel/bytes.ts'
import type { Dictionary } from './dictionary.ts'
import { TextMarks } from './distinct-texts.ts'
import type { Slabs } from './slabs.ts'
import { Summaries, type SummedColumns } from './summaries.ts'

/** The columns of the histories of one kind. Column 0 is the event time. */
export interface HistoryColumns extends SummedColumns {
  readonly columns: number
  /** Columns for quantiles. */
  readonly ranked: readonly number[]
  /** Text columns for distinct counts. */
  readonly distinct: readonly number[]
  readonly texts: readonly { readonly column: number; readonly dictionary: Dictionary }[]
  readonly slabs: Slabs
  readonly hash: KeyedHash
}

/** Powers of 2, from 4 on. */
export interface HistorySizes {
  /** Events of a history without blocks: at least two blocks. */
  readonly buffer: number
  /** Events of a buffer that share a summary. */
  readonly run: number
  readonly block: number
  readonly group: number
  /** Newest blocks that windows walk one by one, because out-of-order events reach them. */
  readonly unsettled: number
}

/** Measured, see test/bench/RESULTS.md: other sizes improve some cases and slow down others. */
const SIZES: HistorySizes = { buffer: 256, run: 32, block: 64, group: 64, unsettled: 4 }

export type Layout = ReturnType<typeof layoutOf>

/** @param sizes smaller ones in tests, so that few events have many blocks */
export function layoutOf(held: HistoryColumns, sizes = SIZES) {
  const { columns, ranked, distinct } = held
  /** Columns of an event in a block: its own, then a link for each of `distinct`. */
  const width = columns + distinct.length
  /** Columns that a block also keeps in order: those of `ranked`, then the links. */
  const ordered: readonly number[] = [...ranked, ...distinct.map((_, d) => columns + d)]
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
