import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DuckDBType } from '@duckdb/node-api'
import { configFault, messageOf, TidemarkError } from '../../kernel/errors.ts'

// DuckDB reads Parquet and CSV, sorts, and writes Parquet. It is loaded only where it is needed,
// because it takes 70 MB.

/** The version that is tested. */
const PACKAGE = '@duckdb/node-api@1.5.6-r.1'

const SETTINGS = {
  threads: '1',
  memory_limit: '128MB',
  // Nothing is loaded from the network.
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
}

export interface TableColumn {
  readonly name: string
  readonly type: DuckDBType
}

/** Rows of a chunk of DuckDB. */
const CHUNK_ROWS = 2_048

/** A connection to a database in memory, which sorts and spills in a folder. */
export class DuckDb {
  readonly #connection: Connection
  readonly #path: string
  #pipes = 0
  /** Resolves when no query writes lines. */
  #written: Promise<unknown> = Promise.resolve()

  private constructor(connection: Connection, path: string) {
    this.#connection = connection
    this.#path = path
  }

  /** @throws TidemarkError `NOT_SUPPORTED`: it is not installed */
  static async open(folder: string): Promise<DuckDb> {
    const { DuckDBInstance } = await load()
    const path = join(folder, `duckdb-${randomUUID()}`)
    const instance = await DuckDBInstance.create(':memory:', { ...SETTINGS, temp_directory: path })
    return new DuckDb(await instance.connect(), path)
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql)
  }

  /** The rows of a small result. */
  async rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getRows()
  }

  /** The names and types of a query's columns. */
  async columns(query: string): Promise<readonly TableColumn[]> {
    const result = await this.#connection.runAndReadAll(`${query} LIMIT 0`)
    const types = result.columnTypes()
    return result.columnNames().map((name, i) => ({ name, type: types[i] as DuckDBType }))
  }

  /**
   * Streams the columns of a query, all of which are DOUBLE without nulls, some thousand rows at a
   * time. The next ones are read while those are used.
   */
  async *numbers(query: string): AsyncGenerator<readonly Float64Array[]> {
    const result = await this.#connection.stream(query)
    const next = () => {
      const chunk = result.fetchChunk()
      // An error is thrown when the caller reads on; until then nobody waits for it.
      chunk.catch(() => {})
      return chunk
    }
    let reading = next()
    try {
      for (let chunk = await reading; chunk !== null && chunk.rowCount > 0; chunk = await reading) {
        reading = next()
        yield columnsOf(chunk)
      }
    } finally {
      await reading.catch(() => {})
    }
  }

  /** Makes a table of numbers, in place of the one with its name. NaN becomes null. */
  async createTable(name: string, columns: ReadonlyMap<string, Float64Array>): Promise<void> {
    const { DuckDBDataChunk, DOUBLE } = await load()
    const declared = [...columns.keys()].map((column) => `${sqlName(column)} DOUBLE`)
    await this.run(`CREATE OR REPLACE TABLE ${sqlName(name)} (${declared.join(', ')})`)
    const appender = await this.#connection.createAppender(name)
    const all = [...columns.values()]
    for (let at = 0; at < (all[0]?.length ?? 0); at += CHUNK_ROWS) {
      const some = all.map((column) => column.subarray(at, at + CHUNK_ROWS))
      const types = all.map(() => DOUBLE)
      const chunk = DuckDBDataChunk.create(types, some[0]?.length)
      for (const [i, column] of some.entries()) {
        const vector = chunk.getColumnVector(i)
        for (let row = 0; row < column.length; row++) {
          const number = column[row] as number
          vector.setItem(row, Number.isNaN(number) ? null : number)
        }
        vector.flush()
      }
      appender.appendDataChunk(chunk)
    }
    appender.closeSync()
  }

  /**
   * Streams the texts of a query with one column as lines, through a pipe: reading its result as
   * values costs more than twice as much. No text may contain a line end.
   */
  async *lines(query: string): AsyncGenerator<Buffer> {
    const pipe = `${this.#path}-${this.#pipes++}`
    await promisify(execFile)('mkfifo', [pipe])
    const fd = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    // Holds the pipe open until the query is over, whether or not it has begun to write.
    const holder = openSync(pipe, constants.O_WRONLY)
    const reader = new Socket({ fd, readable: true, writable: false })
    const writing = this.run(`COPY (${query}) TO ${sqlText(pipe)} (${AS_LINES})`)
      .then(
        () => null,
        (error: unknown) => ({ error }),
      )
      .finally(() => closeSync(holder))
    this.#written = writing
    try {
      yield* reader
      const failed = await writing
      if (failed !== null) throw failed.error
    } finally {
      reader.destroy()
      await writing
      await rm(pipe, { force: true })
    }
  }

  /** A connection that is closed while a query writes would never end. */
  close(): void {
    void this.#written.then(() => this.#connection.closeSync())
  }
}

/** Writes texts as they are. */
const AS_LINES = `FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', USE_TMP_FILE false`

type Api = typeof import('@duckdb/node-api')
type Connection = Awaited<ReturnType<InstanceType<Api['DuckDBInstance']>['connect']>>

async function load(): Promise<Api> {
  try {
    return await import('@duckdb/node-api')
  } catch (cause) {
    const message = 'Parquet, CSV and sorting need DuckDB, which is not installed'
    const hint = `npm install ${PACKAGE}`
    throw new TidemarkError('NOT_SUPPORTED', message, { hint, cause })
  }
}

function columnsOf(chunk: InstanceType<Api['DuckDBDataChunk']>): Float64Array[] {
  return Array.from({ length: chunk.columnCount }, (_, i) => {
    const vector = chunk.getColumnVector(i)
    const numbers = new Float64Array(chunk.rowCount)
    for (let row = 0; row < numbers.length; row++) numbers[row] = vector.getItem(row) as number
    return numbers
  })
}

/** A text in SQL. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name in SQL. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Runs a query on a file. @throws TidemarkError `CONFIG_INVALID`: it cannot be read, or written */
export async function onFile<T>(path: string, query: () => Promise<T>, hint?: string): Promise<T> {
  try {
    return await query()
  } catch (error) {
    throw configFault(`cannot be read or written: ${fileFault(error)}`, path, hint)
  }
}

const CSV_FAULT = /CSV Error on Line: (\d+)\nOriginal Line: (.*?)\n+([^\n]+)\n+Possible /s

/** Says in one line why a file cannot be read or written, without any text of the file. */
export function fileFault(error: unknown): string {
  const [, line, text = '', fault = ''] = CSV_FAULT.exec(messageOf(error)) ?? []
  if (line === undefined) return messageOf(error).split('\n', 1)[0] as string
  const expected = /^Expected Number of Columns: (\d+)/.exec(fault)?.[1]
  if (expected === undefined) return `line ${line}: ${fault}`
  const fields = text.replaceAll(/"[^"]*"/g, '').split(',').length
  return `number of fields in line ${line}: ${fields}, in the first line: ${expected}`
}
