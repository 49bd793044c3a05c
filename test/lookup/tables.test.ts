import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { TidemarkError } from '../../src/kernel/errors.ts'
import { LoadedTable, lookupOf, TableRoom } from '../../src/lookup/table.ts'
import { readTableFile, readTables, rowMaker } from '../../src/lookup/table-file.ts'
import { defineTopology } from '../../src/topology/builder.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { file } from '../../src/topology/lookup.ts'
import { source } from '../formats/json/source.ts'
import { folderWith } from '../support/folder.ts'
import { HASH } from '../support/hash.ts'

let folder: string
beforeEach(() => {
  folder = folderWith({})
})

const Plane = z.object({ tailnum: z.string(), seats: z.number() })

function topologyOver(files: Readonly<Record<string, URL>>): Definition {
  return defineTopology('flights', (t) => {
    for (const [name, url] of Object.entries(files)) {
      t.table(name, { schema: Plane, key: (p) => p.tailnum, from: file(url) })
    }
    const { partitioner: _, ...options } = source(z.unknown())
    return t.source('flights', { ...options, watermark: { lag: 0 as never } }).sink('out')
  })
}

interface LoadedTables {
  readonly tables: readonly LoadedTable[]
  readonly faults: readonly TidemarkError[]
}

async function loadTables(
  { tables: declared }: Definition,
  room = new TableRoom(1e9),
): Promise<LoadedTables> {
  const tables = declared.map((definition) => {
    const parts = { label: definition.name, make: rowMaker(definition), room, hash: HASH }
    return new LoadedTable(definition, parts)
  })
  return { tables, faults: await readTables(tables) }
}

async function load(name: string, content: string | Buffer): Promise<LoadedTables> {
  const path = join(folder, name)
  writeFileSync(path, content)
  return loadTables(topologyOver({ planes: pathToFileURL(path) }))
}

const told = ({ faults }: Pick<LoadedTables, 'faults'>) =>
  faults.map((f) => [f.code, f.where?.replace(`${folder}/`, ''), f.message])

const rows = '{"tailnum":"N1","seats":2}\n{"tailnum":"N2","seats":55,"engines":2}\n'

describe('a table', () => {
  test('gives each row by its key, as the schema gives it', async () => {
    const { tables, faults } = await load('planes.ndjson', rows)
    expect([faults, tables[0]?.size]).toEqual([[], 2])
    const planes = lookupOf(tables)('planes')
    expect(planes.get('N1', 0)).toEqual({ tailnum: 'N1', seats: 2 })
    expect(planes.get('N2', 0)).toEqual({ tailnum: 'N2', seats: 55 })
    expect(planes.get('constructor', 0)).toBeUndefined()
    expect(tables[0]?.takeCounts()).toEqual({ found: 2, absent: 1, early: 0 })
  })

  test('may be compressed', async () => {
    const { tables } = await load('planes.ndjson.gz', gzipSync(rows))
    expect(tables[0]?.size).toBe(2)
  })

  test('may have a byte order mark, Windows line ends, blank lines and no newline at its end', async () => {
    const { tables, faults } = await load(
      'windows.ndjson',
      `\ufeff${rows.replaceAll('\n', '\r\n')}\r\n  `,
    )
    expect([faults, tables[0]?.size]).toEqual([[], 2])
  })

  test('may be empty', async () => {
    const { tables, faults } = await load('empty.ndjson', '')
    expect([faults, tables[0]?.size]).toEqual([[], 0])
  })

  test('that the topology does not define is a bug', async () => {
    const { tables } = await load('planes.ndjson', rows)
    expect(() => lookupOf(tables)('weather')).toThrow(
      expect.objectContaining({ code: 'INVARIANT' }),
    )
  })
})

describe('a table is refused', () => {
  test('when a line is invalid, each with its line, none with its content', async () => {
    const content = Buffer.concat([
      Buffer.from('{"tailnum":"N1"\n\n{"tailnum":"N1","seats":"many"}\n"'),
      Buffer.from([0xff]),
      Buffer.from('"\n{"tailnum":"","seats":1}\n'),
    ])
    expect(told(await load('bad.ndjson', content))).toEqual([
      ['TABLE_INVALID', 'bad.ndjson:1', 'table "planes": not JSON'],
      [
        'TABLE_INVALID',
        'bad.ndjson:3',
        'table "planes": seats: Invalid input: expected number, received string',
      ],
      ['TABLE_INVALID', 'bad.ndjson:4', 'table "planes": not UTF-8'],
      ['TABLE_INVALID', 'bad.ndjson:5', 'table "planes": key returned no text'],
    ])
  })

  test('when two lines have one key: both are named', async () => {
    expect(told(await load('twice.ndjson', rows + rows.split('\n')[0]))).toEqual([
      ['TABLE_INVALID', 'twice.ndjson:3', 'table "planes": the same key as line 1'],
    ])
  })

  test('with five faults told and the others counted', async () => {
    const faults = told(await load('many.ndjson', 'x\n'.repeat(12)))
    expect(faults).toHaveLength(6)
    expect(faults[5]).toEqual([
      'TABLE_INVALID',
      'many.ndjson',
      'table "planes": 7 more lines are invalid',
    ])
  })

  test.each([
    ['missing', 'ENOENT', 'missing.ndjson'],
    ['a folder', 'EISDIR', '.'],
  ])('when its file is %s', async (_, why, name) => {
    const url = pathToFileURL(join(folder, name))
    const { faults } = await loadTables(topologyOver({ planes: url }))
    expect(faults.map((f) => f.message)).toEqual([`table "planes" cannot be read: ${why}`])
  })

  test('when its file is not what its name says', async () => {
    const { faults } = await load('plain.ndjson.gz', rows)
    expect(faults.map((f) => f.message)).toEqual(['table "planes" cannot be read: Z_DATA_ERROR'])
  })

  test('when it is no file at all', async () => {
    const url = new URL('https://example.com/planes.ndjson')
    const { faults } = await loadTables(topologyOver({ planes: url }))
    expect(faults.map((f) => f.message)).toEqual([
      'table "planes" cannot be read: ERR_INVALID_URL_SCHEME',
    ])
  })

  test('when it takes more memory than there is for tables', async () => {
    const content = Array.from({ length: 40_000 }, (_, i) => `{"tailnum":"N${i}","seats":2}`)
    writeFileSync(join(folder, 'large.ndjson'), content.join('\n'))
    const large = topologyOver({ planes: pathToFileURL(join(folder, 'large.ndjson')) })
    const { faults } = await loadTables(large, new TableRoom(1_000_000))
    expect(faults.map((f) => [f.code, f.message, f.hint])).toEqual([
      [
        'TABLE_LIMIT',
        'table "planes" makes the tables larger than 1000000 bytes',
        'raise --max-table-mb, or keep fewer or smaller rows',
      ],
    ])
  })

  test('and what is refused when it is read again leaves its room to the others', async () => {
    const path = join(folder, 'grows.ndjson')
    writeFileSync(path, rows)
    const room = new TableRoom(1_000_000)
    const { tables } = await loadTables(topologyOver({ planes: pathToFileURL(path) }), room)
    const content = Array.from({ length: 40_000 }, (_, i) => `{"tailnum":"N${i}","seats":2}`)
    writeFileSync(path, content.join('\n'))
    expect(await readTableFile(tables[0] as LoadedTable)).toMatchObject([{ code: 'TABLE_LIMIT' }])
    room.take({ name: 'other' }, 900_000)
  })

  test('together with every other', async () => {
    const url = (name: string) => pathToFileURL(join(folder, name))
    const { faults } = await loadTables(topologyOver({ planes: url('no-a'), weather: url('no-b') }))
    expect(faults.map((f) => f.message)).toEqual([
      'table "planes" cannot be read: ENOENT',
      'table "weather" cannot be read: ENOENT',
    ])
  })
})
