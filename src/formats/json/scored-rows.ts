import type { Memory } from '../../kernel/memory.ts'
import type { ScannedColumns } from '../../plan/columns.ts'

/** Scored events, in columns. */
export interface ScoredRows {
  /** The events of a chunk, by index. */
  readonly events: {
    readonly columns: ScannedColumns
    /** What an event's places in the columns are in; `null`: the columns hold nothing of it. */
    memoryOf(index: number): Memory | null
  }
  /** Of each row, the index of its event. */
  readonly indices: readonly number[]
  /** By row, in the order in which numbers come out of the model. */
  readonly scores: readonly Float64Array[]
  /** Row-major, as the model was given them. */
  readonly features: Float32Array
}

/** Where in the columns' arrays a column has the event of row `i`. */
export function cellOf(column: number, i: number, { events, indices }: ScoredRows): number {
  return column * events.columns.capacity + (indices[i] as number)
}

/** What the places of row `i`'s event are in. */
export function memoryOf(i: number, { events, indices }: ScoredRows): Memory {
  return events.memoryOf(indices[i] as number) as Memory
}
