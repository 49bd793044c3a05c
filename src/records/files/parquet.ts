import { type DuckDb, sqlName, sqlText } from './duckdb.ts'

const TYPES = {
  text: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
} as const

/** Of a row group: fewer than by default, because a row group is in memory until it is written. */
const ROWS = 61_440

export interface ParquetTable {
  /** By name; `null`: nothing but null was seen. */
  readonly fields: Readonly<Record<string, { readonly kind: keyof typeof TYPES | null }>>
  /** Columns that are float32. */
  readonly floats: ReadonlySet<string>
  readonly compression: 'snappy' | 'zstd'
  /** Of the file, by name. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Writes a file with lines of JSON as Parquet. */
export async function toParquet(
  { from, to }: { readonly from: string; readonly to: string },
  duckdb: DuckDb,
  { fields, floats, compression, metadata }: ParquetTable,
): Promise<void> {
  const columns = Object.entries(fields).map(([field, { kind }]) => {
    const type = floats.has(field) ? 'FLOAT' : TYPES[kind ?? 'text']
    return `${sqlName(field)}: ${sqlText(type)}`
  })
  const lines = `read_json(${sqlText(from)}, format = 'newline_delimited', columns = {${columns.join(', ')}})`
  const entries = Object.entries(metadata).map(
    ([key, value]) => `${sqlName(key)}: ${sqlText(value)}`,
  )
  const more = entries.length === 0 ? '' : `, KV_METADATA {${entries.join(', ')}}`
  const how = `FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${ROWS}${more}`
  await duckdb.run(`COPY (SELECT * FROM ${lines}) TO ${sqlText(to)} (${how})`)
}
