import type { ModelDefinition } from '../topology/definition.ts'

/** A number that a model gives for each row. */
export interface ScoreColumn {
  /** For the reader: `probability`, `risk.low`. */
  readonly name: string
  readonly tensor: string
  /** Counted from 0. */
  readonly column: number
  /** How many columns the tensor must have, since all are named; `null`: at least this one. */
  readonly width: number | null
}

/**
 * The order in which numbers come out of a model: outputs as they were declared, and in each its
 * columns.
 */
export function scoreColumns(outputs: ModelDefinition['outputs']): ScoreColumn[] {
  return Object.entries(outputs).flatMap(([name, { tensor, column, columns }]): ScoreColumn[] => {
    if (columns === undefined) return [{ name, tensor, column, width: null }]
    const width = columns.length
    return columns.map((c, i) => ({ name: `${name}.${c}`, tensor, column: i, width }))
  })
}
