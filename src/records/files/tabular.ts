import { configFault, type TidemarkError } from '../../kernel/errors.ts'
import { type DuckDb, onFile, sqlName, sqlText } from './duckdb.ts'
import type { InputFile } from './input-files.ts'

// Parquet and CSV as lines of JSON: what DuckDB writes is scanned faster than its values are read.
// The schema of the events decides what a value becomes.

/** The kinds of value that the schema allows in a field. */
export interface FieldRule {
  readonly kinds: ReadonlySet<'text' | 'number' | 'boolean' | 'other'>
  readonly mayBeNull: boolean
  readonly mayBeAbsent: boolean
}

/** The rule of a field of numbers, which may be missing. */
export const NUMERIC: FieldRule = {
  kinds: new Set(['number']),
  mayBeNull: true,
  mayBeAbsent: false,
}

/** `null`: nothing is known of the field. */
export type FieldOf = (name: string) => FieldRule | null

interface Column {
  readonly name: string
  readonly type: string
}

/** A table in a file. */
export interface TabularFile {
  readonly file: InputFile
  readonly columns: readonly Column[]
  readonly rows: number
}

const CSV_HINT = 'commas separate its fields, and its first line has their names'

/** @throws TidemarkError `CONFIG_INVALID`: it cannot be read */
export async function openTable(file: InputFile, duckdb: DuckDb): Promise<TabularFile> {
  return onFile(
    file.path,
    async () => {
      const described = await duckdb.rows(`DESCRIBE SELECT * FROM ${read(file)}`)
      const columns = described.map((row) => ({ name: String(row[0]), type: String(row[1]) }))
      const [[rows] = []] = await duckdb.rows(`SELECT count(*) FROM ${read(file)}`)
      return { file, columns, rows: Number(rows) }
    },
    file.kind === 'csv' ? CSV_HINT : undefined,
  )
}

/** How files differ in their columns from the first. */
export function differentColumns([first, ...others]: readonly TabularFile[]): TidemarkError[] {
  const told = (of?: TabularFile) => of?.columns.map(({ name, type }) => `${name} ${type}`) ?? []
  const usual = told(first)
  return others.flatMap((table) => {
    const own = told(table)
    const differing = [
      ...usual.filter((column) => !own.includes(column)).map((column) => `lacks ${column}`),
      ...own.filter((column) => !usual.includes(column)).map((column) => `has ${column}`),
    ]
    if (differing.length === 0) return []
    const what = `its columns differ from those of ${first?.file.path}: it ${differing.join(', ')}`
    return [configFault(what, table.file.path, 'score files with other columns on their own')]
  })
}

/** Streams the rows of a table as lines of JSON. @param fieldOf what is known of a column */
export function tableLines(
  { file, columns }: TabularFile,
  duckdb: DuckDb,
  fieldOf: FieldOf,
): AsyncGenerator<Buffer> {
  const fields = columns.map((column) => {
    const field = fieldOf(column.name)
    const value = file.kind === 'csv' ? valueOfText(column, field) : valueOf(column, field)
    const before = sqlText(`,${JSON.stringify(column.name)}:`)
    if (!isLeftOut(field)) return `${before}, coalesce(${value}, 'null')`
    return `CASE WHEN ${sqlName(column.name)} IS NOT NULL THEN ${before} || ${value} END`
  })
  const json = `'{' || ltrim(concat(${fields.join(', ')}), ',') || '}'`
  return duckdb.lines(`SELECT ${json} FROM ${read(file)}`)
}

/**
 * All of RFC 4180: DuckDB would guess it from the first rows, and leave out rows that do not fit. Its
 * usual buffers are eight times as large.
 */
const CSV = `buffer_size = 4194304, header = true, delim = ',', quote = '"', escape = '"', skip = 0, all_varchar = true, allow_quoted_nulls = false`

function read({ path, kind }: InputFile): string {
  if (kind === 'parquet') return `read_parquet(${sqlText(path)})`
  return `read_csv(${sqlText(path)}, ${CSV})`
}

/** Is a field without a value left out, rather than null? */
function isLeftOut(field: FieldRule | null): boolean {
  return field?.mayBeAbsent === true && !field.mayBeNull
}

const NUMBER_TEXT = String.raw`-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
const MOST = Number.MAX_SAFE_INTEGER

/**
 * JSON of a column whose values are text: a number or a boolean only where the schema takes no text.
 */
function valueOfText(column: Column, field: FieldRule | null): string {
  const of = sqlName(column.name)
  const quoted = `to_json(${of})`
  if (field === null || field.kinds.has('text')) return quoted
  if (field.kinds.has('number')) {
    const isRounded = `length(${of}) > 15 AND abs(try_cast(${of} AS DOUBLE)) > ${MOST}`
    return `CASE WHEN regexp_full_match(${of}, ${sqlText(NUMBER_TEXT)}) AND NOT coalesce(${isRounded}, false) THEN ${of} ELSE ${quoted} END`
  }
  if (!field.kinds.has('boolean')) return quoted
  return `CASE WHEN lower(${of}) IN ('true', 'false') THEN lower(${of}) ELSE ${quoted} END`
}

/** JSON of a column of Parquet. A whole number beyond 2^53 is a text: as a number it would change. */
function valueOf({ name: column, type }: Column, field: FieldRule | null): string {
  const of = sqlName(column)
  const isText = field?.kinds.has('text') === true && !field.kinds.has('number')
  const plain = isText ? `to_json(${of}::VARCHAR)` : `${of}::VARCHAR`
  if (type.endsWith(']')) return `to_json(${of})`
  if (/^(U?(TINY|SMALL)INT|U?INTEGER)/.test(type)) return plain
  if (/^(U?BIGINT|U?HUGEINT|DECIMAL)/.test(type)) {
    const isExact = `${of} BETWEEN -${MOST} AND ${MOST}`
    return `CASE WHEN ${isExact} THEN ${plain} ELSE to_json(${of}::VARCHAR) END`
  }
  if (type === 'FLOAT' || type === 'DOUBLE') {
    return `CASE WHEN isfinite(${of}) THEN ${of}::DOUBLE::VARCHAR ELSE 'null' END`
  }
  if (type === 'BOOLEAN') return `${of}::VARCHAR`
  if (type.startsWith('TIMESTAMP')) return `epoch_ms(${of})::VARCHAR`
  if (type === 'DATE') return `epoch_ms(${of}::TIMESTAMP)::VARCHAR`
  return `to_json(${of})`
}
