import type { ModelDefinition, OutputShape } from '../topology/models.ts'

/** One of the numbers that a model returns for each row. */
export interface ScoreColumn {
  /** As users see it: `probability`, `risk.low`. */
  readonly name: string
  readonly tensor: string
  /** Index in the tensor, from 0. */
  readonly column: number
  /** How many columns the tensor must have, if all are named; `null`: enough for this one. */
  readonly width: number | null
}

/** The numbers of a model in order: outputs as declared, and the columns of each in their order. */
export function scoreColumns(outputs: ModelDefinition['outputs']): ScoreColumn[] {
  return Object.entries(outputs).flatMap(([name, { tensor, column, columns }]): ScoreColumn[] => {
    if (columns === undefined) return [{ name, tensor, column, width: null }]
    const width = columns.length
    return columns.map((c, i) => ({ name: `${name}.${c}`, tensor, column: i, width }))
  })
}

/** The names of the numbers of some outputs, as {@link scoreColumns} gives them. */
export function columnNames(outputs: Readonly<Record<string, OutputShape>>): string[] {
  return Object.entries(outputs).flatMap(([name, { columns }]) =>
    columns === undefined ? [name] : columns.map((column) => `${name}.${column}`),
  )
}
