import type { DuckDb } from '../../connect/files/duckdb.ts'
import { fileRow, type InputLines } from '../../connect/files/input-lines.ts'
import { type RowRange, readNumbers } from '../../connect/files/parquet.ts'
import type { Place } from '../../kernel/bytes.ts'
import { jsonObject } from '../../kernel/json.ts'

// Rows of files, as a model takes them: by the names of its features.

/** Some rows, in order. */
export interface RowBlock {
  readonly rows: number
  /** By feature and row; `null` and NaN: it is missing; `undefined`: there is no such column. */
  readonly columns: readonly ArrayLike<unknown>[]
  /** Where a row is in the input. */
  placeOf(row: number): { readonly file: string; readonly row: number }
  /** Finds a row as a JSON object with fields. @returns false: it is not one */
  locate(row: number, into: Place): boolean
}

export async function* numberBlocks(
  range: RowRange,
  duckdb: DuckDb,
  features: readonly string[],
): AsyncGenerator<RowBlock> {
  let before = range.from
  for await (const columns of readNumbers(range, duckdb, features)) {
    const first = before + 1
    const rows = columns[0]?.length ?? 0
    before += rows
    yield {
      rows,
      columns,
      placeOf: (row) => ({ file: range.path, row: first + row }),
      locate: () => false,
    }
  }
}

export async function* lineBlocks(
  input: InputLines,
  features: readonly string[],
): AsyncGenerator<RowBlock> {
  for await (const { memory, starts, ends, places } of input.blocks()) {
    if (starts.length === 0) continue
    const rows = starts.map((start, line) => jsonObject(memory.text(start, ends[line] as number)))
    yield {
      rows: rows.length,
      columns: features.map((feature) => rows.map((row) => row?.[feature])),
      placeOf: (row) => fileRow(input.files, places[row] as number),
      locate: (row, into) => {
        into.memory = memory
        into.from = starts[row] as number
        into.to = memory.buffer.lastIndexOf('}', (ends[row] as number) - 1) + 1
        return Object.keys(rows[row] ?? {}).length > 0
      },
    }
  }
}
