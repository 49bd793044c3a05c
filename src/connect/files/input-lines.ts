import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { configFault, refuseIfAny } from '../../kernel/errors.ts'
import { DuckDb, fileFault } from './duckdb.ts'
import { type InputFile, inputFiles } from './input-files.ts'
import { blocksOf, type LineBlock } from './lines.ts'
import {
  differentColumns,
  type FieldOf,
  openTable,
  type TabularFile,
  tableLines,
} from './tabular.ts'

/** Lines of the input, and the place of each. */
export interface InputBlock extends Omit<LineBlock, 'numbers'> {
  readonly places: readonly number[]
}

/** Rows that a file may have: a place is the number of the file, and the row in it. */
const MOST_ROWS = 2 ** 32
/** bytes */
const CHUNK = 2 ** 18

interface OpenInputLines {
  readonly files: readonly InputFile[]
  readonly tables: ReadonlyMap<InputFile, TabularFile>
  /** `null`: no file needs it. */
  readonly duckdb: DuckDb | null
  readonly fieldOf: FieldOf
}

/** Files of events, in order, as lines of JSON or of key, tab and JSON. */
export class InputLines {
  readonly #o: OpenInputLines
  #readFiles = 0
  /** Share of the current file that was read. */
  #readShare: () => number = () => 0

  private constructor(options: OpenInputLines) {
    this.#o = options
  }

  get files(): readonly InputFile[] {
    return this.#o.files
  }

  /**
   * @param fieldOf the rule of a field by the schema of the lines
   * @param folder for the data that DuckDB spills
   * @throws Refused, or TidemarkError `NOT_SUPPORTED`: DuckDB is needed and not installed
   */
  static async open(patterns: readonly string[], fieldOf: FieldOf, folder: string) {
    const files = await inputFiles(patterns)
    const tabular = files.filter(({ kind }) => kind !== 'lines')
    const duckdb = tabular.length === 0 ? null : await DuckDb.open(folder)
    const tables = new Map<InputFile, TabularFile>()
    for (const file of tabular) tables.set(file, await openTable(file, duckdb as DuckDb))
    refuseIfAny(differentColumns([...tables.values()]))
    return new InputLines({ files, tables, duckdb, fieldOf })
  }

  /** The files with columns, in order. */
  get tables(): readonly TabularFile[] {
    return [...this.#o.tables.values()]
  }

  /** The share that has been read, 0 to 1. */
  get share(): number {
    const all = this.files.reduce((sum, { bytes }) => sum + bytes, 0)
    const before = this.files.slice(0, this.#readFiles).reduce((sum, { bytes }) => sum + bytes, 0)
    const now = (this.files[this.#readFiles]?.bytes ?? 0) * this.#readShare()
    return all === 0 ? 1 : Math.min(1, (before + now) / all)
  }

  /** @throws TidemarkError `CONFIG_INVALID`: a file cannot be read */
  async *blocks(): AsyncGenerator<InputBlock> {
    for (const [number, file] of this.files.entries()) {
      this.#readFiles = number
      try {
        for await (const { numbers, ...block } of blocksOf(this.#open(file))) {
          const rows = this.#o.tables.get(file)?.rows
          const read = numbers.at(-1) ?? 0
          if (rows !== undefined) this.#readShare = () => read / rows
          yield { ...block, places: numbers.map((row) => number * MOST_ROWS + row) }
        }
      } catch (error) {
        throw configFault(`cannot read the input: ${fileFault(error)}`, file.path)
      }
    }
    this.#readFiles = this.files.length
  }

  close(): void {
    this.#o.duckdb?.close()
  }

  #open(file: InputFile): AsyncIterable<Buffer> {
    const table = this.#o.tables.get(file)
    if (table !== undefined) return tableLines(table, this.#o.duckdb as DuckDb, this.#o.fieldOf)
    const stream = createReadStream(file.path, { highWaterMark: CHUNK })
    this.#readShare = () => stream.bytesRead / Math.max(1, file.bytes)
    return file.path.endsWith('.gz') ? pipeline(stream, createGunzip(), () => {}) : stream
  }
}

/** The file and the row of a place. */
export function fileRow(files: readonly InputFile[], place: number) {
  const { path } = files[Math.floor(place / MOST_ROWS)] as InputFile
  return { file: path, row: place % MOST_ROWS }
}
