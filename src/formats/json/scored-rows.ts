import type { ScannedColumns } from '../../columns/columns.ts'
import type { Memory } from '../../kernel/bytes.ts'

/** Scored events, in columns. */
export interface ScoredRows {
  /** The events of a chunk, by index. */
  readonly events: {
    readonly columns: ScannedColumns
    /**
     * The memory that an event's offsets in the columns refer to; `null`: the columns hold nothing
     * of it.
     */
    memoryOf(index: number): Memory | null
  }
  /** For each row, the index of its event. */
  readonly indices: readonly number[]
  /** One array per number of the model's output, in the model's order; each by row. */
  readonly scores: readonly Float64Array[]
  /** Row-major, as passed to the model. */
  readonly features: Float32Array
  /** Row-major, the features that are carried beside them. */
  readonly carried: Float64Array
}

/** Index in the columns' arrays of a column's cell for the event of row `i`. */
export function cellOf(column: number, i: number, { events, indices }: ScoredRows): number {
  return column * events.columns.capacity + (indices[i] as number)
}

/** The memory that the offsets of row `i`'s event refer to. */
export function memoryOf(i: number, { events, indices }: ScoredRows): Memory {
  return events.memoryOf(indices[i] as number) as Memory
}
