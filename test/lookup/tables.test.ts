import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { LoadedTables } from '../../src/lookup/tables.ts'
import { loadTables } from '../../src/lookup/tables.ts'
import { defineTopology, file } from '../../src/topology/builder.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { source } from '../formats/json/source.ts'
import { folderWith } from '../support/folder.ts'

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

async function load(name: string, content: string | Buffer): Promise<LoadedTables> {
  const path = join(folder, name)
  writeFileSync(path, content)
  return loadTables(topologyOver({ planes: pathToFileURL(path) }))
}

const told = ({ faults }: LoadedTables) =>
  faults.map((f) => [f.code, f.where?.replace(`${folder}/`, ''), f.message])

const rows = '{"tailnum":"N1","seats":2}\n{"tailnum":"N2","seats":55,"engines":2}\n'

describe('a table', () => {
  test('gives each row by its key, as the schema gives it', async () => {
    const { lookup, faults } = await load('planes.ndjson', rows)
    expect(faults).toEqual([])
    expect([...lookup('planes')]).toEqual([
      ['N1', { tailnum: 'N1', seats: 2 }],
      ['N2', { tailnum: 'N2', seats: 55 }],
    ])
    expect(lookup('planes').get('constructor')).toBeUndefined()
  })

  test('may be compressed', async () => {
    const { lookup } = await load('planes.ndjson.gz', gzipSync(rows))
    expect(lookup('planes').size).toBe(2)
  })

  test('may have Windows line ends, blank lines and no newline at its end', async () => {
    const { lookup, faults } = await load(
      'windows.ndjson',
      `\r\n${rows.replaceAll('\n', '\r\n')}  `,
    )
    expect([faults, lookup('planes').size]).toEqual([[], 2])
  })

  test('may be empty', async () => {
    const { lookup, faults } = await load('empty.ndjson', '')
    expect([faults, lookup('planes').size]).toEqual([[], 0])
  })

  test('that the topology does not define is a bug', async () => {
    const { lookup } = await load('planes.ndjson', rows)
    expect(() => lookup('weather')).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })
})

describe('a table is refused', () => {
  test('when a line is no row, each with its line, none with its content', async () => {
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

  test('together with every other', async () => {
    const url = (name: string) => pathToFileURL(join(folder, name))
    const { faults } = await loadTables(topologyOver({ planes: url('no-a'), weather: url('no-b') }))
    expect(faults.map((f) => f.message)).toEqual([
      'table "planes" cannot be read: ENOENT',
      'table "weather" cannot be read: ENOENT',
    ])
  })
})
