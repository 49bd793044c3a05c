import { configFault, type TidemarkError } from '../../kernel/errors.ts'
import { type DuckDb, onFile, sqlName, sqlText, type TableColumn } from './duckdb.ts'
import type { InputFile } from './input-files.ts'

// Parquet and CSV as lines of JSON: text that DuckDB writes is scanned faster than its values are
// read. The schema of the events decides which kind of JSON a value becomes.

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

/** A table in a file. */
export interface TabularFile {
  readonly file: InputFile
  readonly columns: readonly TableColumn[]
  readonly rows: number
  /** The source in SQL from which its rows are selected. */
  readonly from: string
}

const CSV_HINT =
  'commas separate its fields, and its first line has their names; line ends between quotes do not count'

/** @throws TidemarkError `CONFIG_INVALID`: it cannot be read */
export async function openTable(file: InputFile, duckdb: DuckDb): Promise<TabularFile> {
  return onFile(
    file.path,
    async () => {
      const path = sqlText(file.path)
      const all = file.kind === 'csv' ? `read_csv(${path}, ${HEADER})` : `read_parquet(${path})`
      const columns = await duckdb.columns(`SELECT * FROM ${all}`)
      const types = columns.map(({ name }) => `${sqlName(name)}: 'VARCHAR'`).join(', ')
      const rowsOfCsv = `read_csv(${path}, ${CSV}, auto_detect = false, columns = {${types}})`
      const from = file.kind === 'csv' ? rowsOfCsv : all
      const [[rows] = []] = await duckdb.rows(`SELECT count(*) FROM ${from}`)
      return { file, columns, rows: Number(rows), from }
    },
    file.kind === 'csv' ? CSV_HINT : undefined,
  )
}

/** How files differ in their columns from the first. */
export function differentColumns([first, ...others]: readonly TabularFile[]): TidemarkError[] {
  const describe = (table?: TabularFile) =>
    table?.columns.map(({ name, type }) => `${name} ${String(type)}`) ?? []
  const usual = describe(first)
  return others.flatMap((table) => {
    const described = describe(table)
    const differing = [
      ...usual.filter((column) => !described.includes(column)).map((column) => `lacks ${column}`),
      ...described.filter((column) => !usual.includes(column)).map((column) => `has ${column}`),
    ]
    if (differing.length === 0) return []
    const message = `its columns differ from those of ${first?.file.path}: it ${differing.join(', ')}`
    return [configFault(message, table.file.path, 'score files with other columns on their own')]
  })
}

/** Streams the rows of a table as lines of JSON. @param fieldOf the rule of a column */
export function tableLines({ file, columns, from }: TabularFile, duckdb: DuckDb, fieldOf: FieldOf) {
  const fields = columns.map((column) => {
    const field = fieldOf(column.name)
    const value = file.kind === 'csv' ? valueOfText(column, field) : valueOf(column, field)
    const before = sqlText(`,${JSON.stringify(column.name)}:`)
    // Whether a field without a value is left out, rather than null.
    const isLeftOut = field?.mayBeAbsent === true && !field.mayBeNull
    if (!isLeftOut) return `${before}, coalesce(${value}, 'null')`
    return `CASE WHEN ${sqlName(column.name)} IS NOT NULL THEN ${before} || ${value} END`
  })
  const json = `'{' || ltrim(concat(${fields.join(', ')}), ',') || '}'`
  return duckdb.lines(`SELECT ${json} FROM ${from}`)
}

/**
 * All of RFC 4180: DuckDB would guess it from the first rows, and leave out rows that do not fit, or
 * that look like comments. Its usual buffers are eight times as large.
 */
const CSV = `buffer_size = 4194304, header = true, delim = ',', quote = '"', escape = '"', comment = '', skip = 0, all_varchar = true, allow_quoted_nulls = false`
/** Finds names in the first line, whatever is in the others. */
const HEADER = `${CSV}, ignore_errors = true, strict_mode = false, sample_size = 1`

const NUMBER_TEXT = String.raw`-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
const MOST = Number.MAX_SAFE_INTEGER

/**
 * JSON of a column whose values are text: a number or a boolean only where the schema takes no text.
 */
function valueOfText(column: TableColumn, field: FieldRule | null): string {
  const name = sqlName(column.name)
  const quoted = `to_json(${name})`
  if (field === null || field.kinds.has('text')) return quoted
  if (field.kinds.has('number')) {
    const isRounded = `length(${name}) > 15 AND abs(try_cast(${name} AS DOUBLE)) > ${MOST}`
    return `CASE WHEN regexp_full_match(${name}, ${sqlText(NUMBER_TEXT)}) AND NOT coalesce(${isRounded}, false) THEN ${name} ELSE ${quoted} END`
  }
  if (!field.kinds.has('boolean')) return quoted
  return `CASE WHEN lower(${name}) IN ('true', 'false') THEN lower(${name}) ELSE ${quoted} END`
}

/** JSON of a column of Parquet. A whole number beyond 2^53 is a text: as a number it would change. */
function valueOf(column: TableColumn, field: FieldRule | null): string {
  const [name, type] = [sqlName(column.name), String(column.type)]
  const isText = field?.kinds.has('text') === true && !field.kinds.has('number')
  const plain = isText ? `to_json(${name}::VARCHAR)` : `${name}::VARCHAR`
  if (/^(U?(TINY|SMALL)INT|U?INTEGER)$/.test(type)) return plain
  if (WHOLE.test(type)) {
    return `CASE WHEN ${isExact(name)} THEN ${plain} ELSE to_json(${name}::VARCHAR) END`
  }
  if (FLOATING.test(type)) {
    return `CASE WHEN isfinite(${name}) THEN ${name}::DOUBLE::VARCHAR ELSE 'null' END`
  }
  if (type === 'BOOLEAN') return `${name}::VARCHAR`
  if (/^TIMESTAMP[^\]]*$/.test(type)) return `epoch_ms(${name})::VARCHAR`
  if (type === 'DATE') return `epoch_ms(${name}::TIMESTAMP)::VARCHAR`
  return `to_json(${innerValue(name, column.type)})`
}

/** DECIMAL is one, too: its digits may be more than those of a number. */
const WHOLE = /^(U?BIGINT|U?HUGEINT|DECIMAL\([^)]*\))$/
const FLOATING = /^(FLOAT|DOUBLE)$/

const isExact = (value: string) => `${value} BETWEEN -${MOST} AND ${MOST}`

/** A value for `to_json` with the numbers that {@link valueOf} has, in lists, structs and maps. */
function innerValue(sql: string, type: TableColumn['type'], depth = 0): string {
  if ('entryTypes' in type) {
    const entries = type.entryNames.map((name, i) => {
      const entry = `struct_extract(${sql}, ${sqlText(name)})`
      return `${sqlName(name)} := ${innerValue(entry, type.entryTypes[i] as TableColumn['type'], depth)}`
    })
    return `CASE WHEN ${sql} IS NOT NULL THEN struct_pack(${entries.join(', ')}) END`
  }
  const item = `item${depth}`
  if ('keyType' in type) {
    const value = innerValue(`${item}.value`, type.valueType, depth + 1)
    const entry = `struct_pack(key := ${item}.key, value := ${value})`
    return `map_from_entries(list_transform(map_entries(${sql}), lambda ${item}: ${entry}))`
  }
  if ('valueType' in type) {
    return `list_transform(${sql}, lambda ${item}: ${innerValue(item, type.valueType, depth + 1)})`
  }
  const name = String(type)
  if (WHOLE.test(name)) {
    return `CASE WHEN ${isExact(sql)} THEN to_json(${sql}) ELSE to_json(${sql}::VARCHAR) END`
  }
  return FLOATING.test(name) ? `CASE WHEN isfinite(${sql}) THEN ${sql} END` : sql
}
