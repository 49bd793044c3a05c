import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { TidemarkError } from '../kernel/errors.ts'
import { inTurns } from '../kernel/slices.ts'
import type { TableDefinition } from '../topology/definition.ts'
import { checkedBy, nameOf } from '../topology/schema.ts'
import { keyOfRow, type MakeRow, type RowStore, rowFault, timeOfRow } from './rows.ts'
import type { LoadedTable } from './table.ts'

// Tables in files: a JSON object per line, in a `.gz` file or not; blank lines are skipped.

/** Faults told in full; the rest are counted. */
const MAX_FAULTS = 5
/** Lines between two checks of the room. */
const UNCHECKED = 1_024
/** Hex digits of a hash. */
const HASH_LENGTH = 16
const MARK = Buffer.from('\ufeff')

interface FileContents {
  readonly rows: RowStore
  /** `sha256:` and 16 hex digits of the file. */
  readonly contents: string
  /** `TABLE_INVALID`, with file and line, and `TABLE_LIMIT`; empty: the rows can be used. */
  readonly faults: readonly TidemarkError[]
}

export function rowMaker({ schema }: Pick<TableDefinition, 'schema'>): MakeRow {
  return (value) => {
    const row = checkedBy(schema, JSON.parse(value.toString('utf8')))
    if (row == null) throw rowFault('the schema returned no row')
    return row
  }
}

/** Reads the file of a table, and changes nothing in it. @returns `null`: it has not changed */
export async function readTableFile(table: LoadedTable): Promise<FileContents | null> {
  const { from, name } = table.definition
  const file = from.file as URL
  try {
    const bytes = await readFile(fileURLToPath(file))
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, HASH_LENGTH)
    const contents = `sha256:${hash}`
    if (contents === table.contents) return null
    const isPacked = file.pathname.endsWith('.gz')
    const reading = new FileReading(table, isPacked ? await promisify(gunzip)(bytes) : bytes)
    const read = await inTurns(reading.run())
    if (read.faults.length > 0) table.refused()
    return { ...read, contents }
  } catch (thrown) {
    table.refused()
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : nameOf(thrown)
    const hint =
      'a table is a file with one JSON object per line; if it is compressed, its name ends in .gz'
    const what = `table "${name}" cannot be read: ${why}`
    const fault =
      thrown instanceof TidemarkError
        ? thrown
        : new TidemarkError('TABLE_INVALID', what, { where: file.pathname, hint })
    return { rows: table.emptyRows(), contents: '', faults: [fault] }
  }
}

class FileReading {
  readonly #table: LoadedTable
  readonly #bytes: Buffer
  readonly #rows: RowStore
  readonly #make: MakeRow
  readonly #lineOf = new Map<string, number>()
  readonly #faults: TidemarkError[] = []
  #faulty = 0

  constructor(table: LoadedTable, bytes: Buffer) {
    this.#table = table
    this.#bytes = bytes
    this.#rows = table.emptyRows()
    this.#make = rowMaker(table.definition)
  }

  /** @throws TidemarkError `TABLE_LIMIT` */
  *run(): Generator<void, Omit<FileContents, 'contents'>> {
    const path = fileURLToPath(this.#table.definition.from.file as URL)
    for (const [line, text] of linesOf(this.#bytes)) {
      yield
      if (line % UNCHECKED === 0) this.#table.checkRoom(this.#rows)
      try {
        this.#put(line, text)
      } catch (thrown) {
        if (!(thrown instanceof TidemarkError)) throw thrown
        if (++this.#faulty <= MAX_FAULTS) this.#tell(thrown.message, `${path}:${line}`)
      }
    }
    this.#table.checkRoom(this.#rows)
    const more = this.#faulty - MAX_FAULTS
    if (more > 0) this.#tell(`${more} more lines are invalid`, path)
    return { rows: this.#rows, faults: this.#faults }
  }

  #put(line: number, text: Buffer): void {
    const { definition } = this.#table
    const row = this.#rowOf(text)
    const key = keyOfRow(definition, row)
    const timeMs = timeOfRow(definition, row)
    const place = `${timeMs} ${key}`
    const earlier = this.#lineOf.get(place)
    const same = definition.asOf === null ? 'key' : 'key and time'
    if (earlier !== undefined) throw rowFault(`the same ${same} as line ${earlier}`)
    this.#lineOf.set(place, line)
    this.#rows.put({ key, timeMs, value: text }, { partition: 0, offset: line, timestampMs: 0 })
  }

  #rowOf(text: Buffer): unknown {
    if (!isUtf8(text)) throw rowFault('not UTF-8')
    try {
      return this.#make(text)
    } catch (thrown) {
      if (thrown instanceof SyntaxError) throw rowFault('not JSON')
      throw thrown
    }
  }

  #tell(what: string, where: string): void {
    const message = `table "${this.#table.name}": ${what}`
    this.#faults.push(new TidemarkError('TABLE_INVALID', message, { where }))
  }
}

/** Lines that are not blank, with their numbers from 1, without a byte order mark. */
function* linesOf(bytes: Buffer): Generator<[number, Buffer]> {
  let start = bytes.subarray(0, MARK.length).equals(MARK) ? MARK.length : 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf('\n', start)
    const end = newline === -1 ? bytes.length : newline
    const text = bytes.subarray(start, end)
    if (text.some((byte) => byte > 0x20)) yield [line, text]
    start = end + 1
  }
}

/** Reads every table in a file. @returns `TABLE_INVALID` and `TABLE_LIMIT` */
export async function readTables(
  tables: readonly LoadedTable[],
): Promise<readonly TidemarkError[]> {
  const inFiles = tables.filter(({ definition }) => definition.from.file !== undefined)
  const faults = await Promise.all(
    inFiles.map(async (table) => {
      const read = await readTableFile(table)
      if (read === null) return []
      if (read.faults.length > 0) return read.faults
      table.replace(read.rows)
      table.changed(read.contents)
      return []
    }),
  )
  return faults.flat()
}
