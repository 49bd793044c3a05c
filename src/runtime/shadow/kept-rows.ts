import type { Arrivals } from '../../engine/events.ts'
import type { StepAnswer } from '../../scoring/step-answer.ts'
import type { StepModel } from '../../scoring/step-models.ts'
import type { Following } from '../outputs.ts'
import { Origins } from './origins.ts'

/** Events that have a main score, while they wait for the one of a shadow. */
export interface KeptRows {
  readonly count: number
  /** Row-major float32[count, features], in the order of the shadow's model. */
  readonly rows: Float32Array
  /** The main scores: by output of the step, one number a row. */
  readonly main: readonly Float64Array[]
  /** By row, the number of the decision about it; `null`: 0 for all. */
  readonly decided: Uint8Array | null
  /** `null`: there are no outputs. */
  readonly origins: Origins | null
}

/** What is kept of events, and for which shadow. */
interface Keeping {
  readonly model: StepModel
  /** Name of the shadow's sink; `null`: it has none. */
  readonly sink: string | null
  readonly from: Following
}

/**
 * Keeps some of the events that have reached a score step. What all of them share with their chunk
 * is not copied.
 *
 * @param chosen numbers of rows, in order
 */
export function keepRows(
  { arrivals, scores }: { readonly arrivals: Arrivals; readonly scores: StepAnswer },
  chosen: readonly number[],
  { model, sink, from }: Keeping,
): KeptRows {
  const isAll = chosen.length === arrivals.indices.length
  const { columns, decided } = scores
  // A few rows of a large chunk would keep the memory of all of them.
  const { byteLength, buffer } = arrivals.rows
  const isWhole = isAll && 2 * byteLength >= buffer.byteLength
  return {
    count: chosen.length,
    rows: model.rowsOf(arrivals.rows, isWhole ? null : chosen),
    main: columns.map((column) => picked(column, chosen)),
    decided:
      isAll || decided === null ? decided : Uint8Array.from(chosen, (r) => decided[r] as number),
    origins: sink === null ? null : new Origins(arrivals, chosen, { sink, from }),
  }
}

/** The numbers of some rows. */
export function picked(column: Float64Array, rows: readonly number[]): Float64Array {
  if (rows.length === column.length) return column
  const own = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) own[i] = column[rows[i] as number] as number
  return own
}
