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
import { keyOfRow, type MakeRow, rowFault, timeOfRow } from './rows.ts'
import type { LoadedTable } from './table.ts'

// Tables in files: a JSON object per line, in a `.gz` file or not; blank lines are skipped.

/** Faults told in full; the rest are counted. */
const MAX_FAULTS = 5
/** Lines between two checks of the room. */
const UNCHECKED = 1_024
const HASH_LENGTH = 16
const MARK = Buffer.from('\ufeff')

export function rowMaker({ schema }: Pick<TableDefinition, 'schema'>): MakeRow {
  return (value) => {
    const row = checkedBy(schema, JSON.parse(value.toString('utf8')))
    if (row == null) throw rowFault('the schema returned no row')
    return row
  }
}

/**
 * Reads the file of a table, which then has its rows, unless there are faults.
 * @returns `TABLE_INVALID`, with file and line, and `TABLE_LIMIT`; `null`: it has not changed
 */
export async function readTableFile(table: LoadedTable): Promise<readonly TidemarkError[] | null> {
  const { from, name } = table.definition
  const file = from.file as URL
  try {
    const bytes = await readFile(fileURLToPath(file))
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, HASH_LENGTH)
    const contents = `sha256:${hash}`
    if (contents === table.contents) return null
    const isPacked = file.pathname.endsWith('.gz')
    const lines = isPacked ? await promisify(gunzip)(bytes) : bytes
    const { rows, faults } = await inTurns(readRows(table, lines))
    if (faults.length === 0) {
      table.replace(rows)
      table.changed(contents)
    } else table.refused()
    return faults
  } catch (thrown) {
    table.refused()
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : nameOf(thrown)
    const fault = new TidemarkError('TABLE_INVALID', `table "${name}" cannot be read: ${why}`, {
      where: file.pathname,
      hint: 'a table is a file with one JSON object per line; if it is compressed, its name ends in .gz',
    })
    return [thrown instanceof TidemarkError ? thrown : fault]
  }
}

/** @throws TidemarkError `TABLE_LIMIT` */
function* readRows(table: LoadedTable, bytes: Buffer) {
  const { definition, name } = table
  const path = fileURLToPath(definition.from.file as URL)
  const rows = table.emptyRows()
  const make = rowMaker(definition)
  const same = definition.asOf === null ? 'key' : 'key and time'
  const lineOf = new Map<string, number>()
  const faults: TidemarkError[] = []
  const tell = (message: string, where: string) =>
    faults.push(new TidemarkError('TABLE_INVALID', `table "${name}": ${message}`, { where }))
  let faulty = 0
  for (const [line, text] of linesOf(bytes)) {
    yield
    if (line % UNCHECKED === 0) table.checkRoom(rows)
    try {
      const row = rowIn(text, make)
      const key = keyOfRow(definition, row)
      const timeMs = timeOfRow(definition, row)
      const place = `${timeMs} ${key}`
      const earlier = lineOf.get(place)
      if (earlier !== undefined) throw rowFault(`the same ${same} as line ${earlier}`)
      lineOf.set(place, line)
      rows.put(null, { key, timeMs, value: text }, { partition: 0, offset: line, timestampMs: 0 })
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      if (++faulty <= MAX_FAULTS) tell(thrown.message, `${path}:${line}`)
    }
  }
  table.checkRoom(rows)
  if (faulty > MAX_FAULTS) tell(`${faulty - MAX_FAULTS} more lines are invalid`, path)
  return { rows, faults }
}

function rowIn(text: Buffer, make: MakeRow): unknown {
  if (!isUtf8(text)) throw rowFault('not UTF-8')
  try {
    return make(text)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw rowFault('not JSON')
    throw thrown
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
export async function readTables(tables: readonly LoadedTable[]) {
  const inFiles = tables.filter(({ definition }) => definition.from.file !== undefined)
  const faults = await Promise.all(inFiles.map(readTableFile))
  return faults.flatMap((some) => some ?? [])
}
