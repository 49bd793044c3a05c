import type { Place } from '../../kernel/bytes.ts'
import type { Code } from '../../kernel/errors.ts'
import type { DuckDb } from '../../records/files/duckdb.ts'
import type { InputBlock, InputLines } from '../../records/files/input-lines.ts'
import { type RowRange, readNumbers } from '../../records/files/parquet.ts'
import type { Scores } from '../../scoring/scorer.ts'

// Rows of a file as a model takes them: its features, by name. A row that it cannot take has a
// fault.

export interface RowFault {
  /** `null`: the line is not a row. */
  readonly column: string | null
  readonly code: Code
  readonly message: string
}

/** Features of some rows. */
interface ReadRows {
  readonly rows: number
  /** Of the rows without a fault: float32[, features], in the order of the model. */
  readonly features: Float32Array
  /** By row. */
  readonly faults: Map<number, RowFault>
}

/** Some rows of a file, in order. */
export interface RowBlock extends ReadRows {
  /** The number of a row in the file, from 1. */
  numberOf(row: number): number
  /** Finds a row as a JSON object. @returns false: it is none */
  locate(row: number, into: Place): boolean
}

/** Rows of a file of Parquet. */
export async function* tableRows(
  rows: RowRange,
  duckdb: DuckDb,
  features: readonly string[],
): AsyncGenerator<RowBlock> {
  let number = rows.from + 1
  for await (const columns of readNumbers(rows, duckdb, features)) {
    const valueOf = (row: number, feature: number) => {
      const value = columns[feature]?.getItem(row) ?? Number.NaN
      return Number.isFinite(value) ? value : null
    }
    const read = readRows(columns[0]?.itemCount ?? 0, features, valueOf)
    const first = number
    number += read.rows
    yield { ...read, numberOf: (row) => first + row, locate: () => false }
  }
}

/** The rows of a file as lines of JSON. */
export async function* lineRows(
  input: InputLines,
  file: number,
  features: readonly string[],
): AsyncGenerator<RowBlock> {
  for await (const block of input.blocksOf(file)) {
    const { memory, starts, ends, places } = block
    const given = starts.map((_, row) => rowOf(block, row))
    const valueOf = (row: number, feature: number) => given[row]?.[features[feature] as string]
    const read = readRows(given.length, features, valueOf)
    for (const [row, of] of given.entries()) if (of === undefined) read.faults.set(row, NO_ROW)
    yield {
      ...read,
      numberOf: (row) => input.at(places[row] as number).row,
      locate: (row, into) => {
        into.memory = memory
        into.from = starts[row] as number
        into.to = memory.buffer.lastIndexOf('}', (ends[row] as number) - 1) + 1
        return given[row] !== undefined
      },
    }
  }
}

const NO_ROW: RowFault = {
  column: null,
  code: 'JSON_INVALID',
  message: 'the line is not a JSON object with fields',
}

type Row = Readonly<Record<string, unknown>>

/** `undefined`: the line is no object with fields. */
function rowOf({ memory, starts, ends }: InputBlock, line: number): Row | undefined {
  try {
    const row: unknown = JSON.parse(memory.text(starts[line] as number, ends[line] as number))
    const isRow = typeof row === 'object' && row !== null && !Array.isArray(row)
    return isRow && Object.keys(row).length > 0 ? (row as Row) : undefined
  } catch {
    return undefined
  }
}

/** @param valueOf the value of a feature; `null`: it is missing; `undefined`: the row lacks it */
function readRows(
  rows: number,
  names: readonly string[],
  valueOf: (row: number, feature: number) => unknown,
): ReadRows {
  const width = names.length
  const features = new Float32Array(rows * width)
  const faults = new Map<number, RowFault>()
  let at = 0
  for (let row = 0; row < rows; row++) {
    let fault: RowFault | null = null
    for (let feature = 0; feature < width && fault === null; feature++) {
      const value = valueOf(row, feature)
      const isFit = typeof value === 'number' && Number.isFinite(Math.fround(value))
      if (isFit || value === null) features[at + feature] = value ?? Number.NaN
      else fault = unfit(names[feature] as string, value)
    }
    if (fault === null) at += width
    else faults.set(row, fault)
  }
  return { rows, features: features.subarray(0, at), faults }
}

function unfit(column: string, value: unknown): RowFault {
  if (value === undefined) return { column, code: 'SCHEMA_INVALID', message: 'the row lacks it' }
  const shown = JSON.stringify(value)
  if (typeof value === 'number') {
    const message = `is ${shown}, which a float32 cannot hold`
    return { column, code: 'FEATURE_NOT_FINITE', message }
  }
  return { column, code: 'SCHEMA_INVALID', message: `is ${shown}, not a number or null` }
}

/** The scores of the rows of a block, NaN for a row that has none, and why it has none. */
export function alignScores(
  { rows, faults: before }: ReadRows,
  { columns: given, failed }: Scores,
  outputs: readonly string[],
): { readonly columns: readonly Float64Array[]; readonly faults: ReadonlyMap<number, RowFault> } {
  const columns = given.map(() => new Float64Array(rows).fill(Number.NaN))
  const faults = new Map(before)
  let at = 0
  for (let row = 0; row < rows; row++) {
    if (before.has(row)) continue
    const output = given.findIndex((scores) => !Number.isFinite(scores[at]))
    for (let i = 0; i < columns.length && output < 0; i++) {
      const [column, scores] = [columns[i], given[i]] as [Float64Array, Float64Array]
      column[row] = scores[at] as number
    }
    if (output >= 0) {
      const message = `the score is ${given[output]?.[at]}`
      const column = outputs[output] as string
      const code = failed.has(at) ? 'SCORE_FAILED' : 'SCORE_NOT_FINITE'
      faults.set(row, { column, code, message })
    }
    at++
  }
  return { columns, faults }
}
