import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type DuckDb, sqlName, sqlText } from '../../src/connect/files/duckdb.ts'
import { linesOf } from '../../src/connect/files/lines.ts'
import { MANIFEST } from '../../src/connect/files/work-folder.ts'
import { linesOfFile } from '../bench/check.ts'
import { type Place, placeOfId } from '../golden/answers.ts'
import type { Answer } from './answers.ts'
import { type Log, PARTITIONS } from './log.ts'

// Exports of a log to files, and what `tidemark batch` has made of them.

export const KINDS = ['ndjson', 'csv', 'parquet'] as const

export type Kind = (typeof KINDS)[number]

/** Flags of a batch over an export. */
export const POSITIONS = [
  ...['--partition-column', 'partition', '--offset-column', 'offset'],
  ...['--partitions', String(PARTITIONS)],
]

/** Columns that a row has besides its features. */
const OF_ROWS = ['key', 'eventTime', 'partition', 'offset', 'late', 'warming']

/** Files with the records of a log in its order, with their positions. */
export class Exports {
  /** Places of values that are no JSON, for which files have no row. */
  readonly left: Place[] = []
  readonly #folder: string
  readonly #duckdb: DuckDb

  constructor(folder: string, duckdb: DuckDb) {
    this.#folder = folder
    this.#duckdb = duckdb
  }

  /**
   * A text where others have a number keeps its quotes in CSV, as it would be a number without
   * them, and becomes null in Parquet.
   * @param columns their types
   */
  async write(log: Log, columns: Readonly<Record<string, string>>): Promise<void> {
    await pipeline(Readable.from(this.#lines(log)), createWriteStream(this.path('ndjson')))
    const all = { partition: 'INTEGER', offset: 'BIGINT', ...columns }
    const texts = Object.entries(all).map(
      ([name, type]) => `${sqlName(name)}: '${type === 'VARCHAR' ? type : 'JSON'}'`,
    )
    const typed = Object.entries(all).map(
      ([name, type]) => `try_cast(${sqlName(name)}::VARCHAR AS ${type}) AS ${sqlName(name)}`,
    )
    const path = sqlText(this.path('ndjson'))
    const read = `read_json(${path}, format = 'newline_delimited', columns = {${texts.join(', ')}})`
    const copy = (query: string, kind: Kind) =>
      this.#duckdb.run(`COPY (${query}) TO ${sqlText(this.path(kind))} (FORMAT ${kind})`)
    await copy(`FROM ${read}`, 'csv')
    await copy(`SELECT ${typed.join(', ')} FROM ${read}`, 'parquet')
  }

  path(kind: Kind): string {
    return join(this.#folder, `log.${kind}`)
  }

  async *#lines(log: Log): AsyncGenerator<string> {
    for await (const [partition, { offset, value }] of log.records()) {
      const text = String(value)
      if (isJson(text)) yield `{"partition":${partition},"offset":${offset},${text.slice(1)}\n`
      else this.left.push({ partition, offset })
    }
  }
}

/** The answers in an output of `tidemark batch`; those of training rows are their features. */
export async function* answersIn(folder: string, duckdb: DuckDb): AsyncGenerator<Answer> {
  const manifest: unknown = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8'))
  const { parts } = manifest as { readonly parts: readonly { readonly file: string }[] }
  for (const { file } of parts) {
    for await (const line of linesIn(join(folder, file), duckdb)) {
      const row = JSON.parse(String(line)) as Record<string, unknown>
      if (file.includes('.dlq/')) yield { place: positionOf(row), is: 'letter', value: row['code'] }
      else yield { ...outputOf(row), is: 'output' }
    }
  }
}

function outputOf(row: Record<string, unknown>): Pick<Answer, 'place' | 'value'> {
  const id = row['tidemark-id']
  const isOutput = typeof id === 'string'
  const isOwn = (name: string) =>
    isOutput ? !name.startsWith('tidemark-') : !OF_ROWS.includes(name)
  const value = Object.fromEntries(Object.entries(row).filter(([name]) => isOwn(name)))
  return { place: isOutput ? placeOfId(id) : positionOf(row), value }
}

function positionOf({ partition, offset }: Record<string, unknown>): Place {
  return { partition: Number(partition), offset: Number(offset) }
}

function linesIn(path: string, duckdb: DuckDb): AsyncGenerator<Buffer> {
  return path.endsWith('.parquet') ? rowsOf(path, duckdb) : linesOfFile(path)
}

/** Rows of Parquet as JSON, to the bit. */
async function* rowsOf(path: string, duckdb: DuckDb): AsyncGenerator<Buffer> {
  const rows = duckdb.lines(`SELECT to_json(t)::VARCHAR FROM read_parquet(${sqlText(path)}) t`)
  for await (const lines of linesOf(Readable.from(rows))) for (const { bytes } of lines) yield bytes
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
