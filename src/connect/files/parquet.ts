import { type DuckDb, onFile, sqlName, sqlText } from './duckdb.ts'

const TYPES = {
  text: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
} as const

/** Rows of a group: fewer than by default, because a group is in memory until it is written. */
export const ROWS = 61_440

interface ParquetFile {
  readonly compression: 'snappy' | 'zstd'
  /** Metadata of the file, by name. */
  readonly metadata: Readonly<Record<string, string>>
}

export interface ParquetTable extends ParquetFile {
  /** By name, the kind of its values. */
  readonly kinds: ReadonlyMap<string, keyof typeof TYPES>
  /** Columns that are float32. */
  readonly floats: ReadonlySet<string>
}

/** Writes a file with lines of JSON as Parquet. */
export async function toParquet(
  { from, to }: { readonly from: string; readonly to: string },
  duckdb: DuckDb,
  { kinds, floats, ...file }: ParquetTable,
): Promise<void> {
  const columns = [...kinds].map(([field, kind]) => {
    return `${sqlName(field)}: ${sqlText(floats.has(field) ? 'FLOAT' : TYPES[kind])}`
  })
  const lines = `read_json(${sqlText(from)}, format = 'newline_delimited', columns = {${columns.join(', ')}})`
  await onFile(to, () => duckdb.run(copyOf(`SELECT * FROM ${lines}`, to, file)))
}

/** Rows of a file of Parquet, from `from` up to but not including `to`, counted from 0. */
export interface RowRange {
  readonly path: string
  readonly from: number
  readonly to: number
}

/** Streams columns of rows as numbers; NaN for a value that is missing or not finite. */
export function readNumbers(rows: RowRange, duckdb: DuckDb, columns: readonly string[]) {
  const numbers = columns.map((column) => {
    const number = `${sqlName(column)}::DOUBLE`
    // Without nulls, because those of a vector cost ten times as much to look at.
    return `CASE WHEN isfinite(${number}) THEN ${number} ELSE 'NaN' END`
  })
  return duckdb.numbers(`SELECT ${numbers.join(', ')} ${ofRows(rows)}`)
}

/** Writes rows with further columns. @param columns of which NaN becomes null */
export async function withColumns(
  { rows, to }: { readonly rows: RowRange; readonly to: string },
  duckdb: DuckDb,
  { columns, ...file }: ParquetFile & { readonly columns: ReadonlyMap<string, Float64Array> },
): Promise<void> {
  await duckdb.createTable('added', columns)
  const before = `SELECT * EXCLUDE (file_row_number) ${ofRows(rows)}`
  const query = `SELECT * FROM (${before}) POSITIONAL JOIN added`
  await onFile(to, () => duckdb.run(copyOf(query, to, file)))
}

/** Row groups before and behind them are not read. */
function ofRows({ path, from, to }: RowRange): string {
  const rows = `read_parquet(${sqlText(path)}, file_row_number = true)`
  return `FROM ${rows} WHERE file_row_number >= ${from} AND file_row_number < ${to}`
}

function copyOf(query: string, to: string, { compression, metadata }: ParquetFile): string {
  const entries = Object.entries(metadata).map(
    ([key, value]) => `${sqlName(key)}: ${sqlText(value)}`,
  )
  const more = entries.length === 0 ? '' : `, KV_METADATA {${entries.join(', ')}}`
  const how = `FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${ROWS}${more}`
  return `COPY (${query}) TO ${sqlText(to)} (${how})`
}
