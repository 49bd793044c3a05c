import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { TidemarkError } from '../kernel/errors.ts'
import type { Definition, TableDefinition } from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { checkedBy, nameOf } from '../topology/schema.ts'

/** Maximum number of faults reported in full per table; the rest are counted. */
const MAX_FAULTS = 5

/** The tables of a topology, in memory. */
export interface LoadedTables {
  readonly lookup: Lookup
  /** `TABLE_INVALID`, each with its file and line; empty if the tables can be used. */
  readonly faults: readonly TidemarkError[]
}

/**
 * Reads every table of a topology into memory: one JSON object per line, in a `.gz` file or not;
 * blank lines are skipped.
 */
export async function loadTables(definition: Definition): Promise<LoadedTables> {
  const loaded = await Promise.all(definition.tables.map(loadTable))
  const tables = new Map(definition.tables.map((t, i) => [t.name, loaded[i]?.rows]))
  const lookup: Lookup = (name) => {
    const rows = tables.get(name)
    if (rows === undefined) throw new TidemarkError('INVARIANT', `no table "${name}" was loaded`)
    return rows
  }
  return { lookup, faults: loaded.flatMap((l) => l.faults) }
}

interface LoadedTable {
  readonly rows: ReadonlyMap<string, unknown>
  readonly faults: readonly TidemarkError[]
}

async function loadTable(table: TableDefinition): Promise<LoadedTable> {
  let bytes: Buffer
  try {
    bytes = await readTable(table.file)
  } catch (thrown) {
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : nameOf(thrown)
    const fault = new TidemarkError(
      'TABLE_INVALID',
      `table "${table.name}" cannot be read: ${why}`,
      {
        where: table.file.pathname,
        hint: 'a table is a file with one JSON object per line; if it is compressed, its name ends in .gz',
      },
    )
    return { rows: new Map(), faults: [fault] }
  }
  return rowsOf(table, bytes)
}

async function readTable(file: URL): Promise<Buffer> {
  const path = fileURLToPath(file)
  const bytes = await readFile(path)
  return path.endsWith('.gz') ? promisify(gunzip)(bytes) : bytes
}

function rowsOf(table: TableDefinition, bytes: Buffer): LoadedTable {
  const rows = new Map<string, unknown>()
  const lineOfKey = new Map<string, number>()
  const faults: TidemarkError[] = []
  let faulty = 0
  for (const [line, text] of linesOf(bytes)) {
    try {
      const row = rowOf(table, text)
      const key = keyOf(table, row)
      const earlier = lineOfKey.get(key)
      if (earlier !== undefined) throw invalid(`the same key as line ${earlier}`)
      lineOfKey.set(key, line)
      rows.set(key, row)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      if (++faulty > MAX_FAULTS) continue
      const where = `${fileURLToPath(table.file)}:${line}`
      faults.push(
        new TidemarkError('TABLE_INVALID', `table "${table.name}": ${thrown.message}`, { where }),
      )
    }
  }
  if (faulty > MAX_FAULTS) {
    const more = `table "${table.name}": ${faulty - MAX_FAULTS} more lines are invalid`
    faults.push(new TidemarkError('TABLE_INVALID', more, { where: fileURLToPath(table.file) }))
  }
  return { rows, faults }
}

/** The lines that are not blank, with their numbers from 1. */
function* linesOf(bytes: Buffer): Generator<[number, Buffer]> {
  let start = 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf('\n', start)
    const end = newline === -1 ? bytes.length : newline
    const text = bytes.subarray(start, end)
    if (text.some((byte) => byte > 0x20)) yield [line, text]
    start = end + 1
  }
}

function rowOf(table: TableDefinition, text: Buffer): unknown {
  if (!isUtf8(text)) throw invalid('not UTF-8')
  let json: unknown
  try {
    json = JSON.parse(text.toString('utf8'))
  } catch {
    throw invalid('not JSON')
  }
  return checkedBy(table.schema, json)
}

function keyOf(table: TableDefinition, row: unknown): string {
  let key: unknown
  try {
    key = table.key(row)
  } catch (thrown) {
    throw invalid(`key threw ${nameOf(thrown)}`)
  }
  if (typeof key !== 'string' || key === '') throw invalid('key returned no text')
  return key
}

function invalid(message: string): TidemarkError {
  return new TidemarkError('TABLE_INVALID', message)
}
