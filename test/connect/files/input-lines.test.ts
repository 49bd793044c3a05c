import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { fileRow, InputLines } from '../../../src/connect/files/input-lines.ts'
import { folderWith } from '../../support/folder.ts'

async function read(folder: string, patterns: readonly string[]) {
  const input = await InputLines.open(
    patterns.map((pattern) => join(folder, pattern)),
    () => null,
    folder,
  )
  const lines: string[] = []
  for await (const { memory, starts, ends, places } of input.blocks()) {
    for (const [line, start] of starts.entries()) {
      const { file, row } = fileRow(input.files, places[line] as number)
      lines.push(`${relative(folder, file)}:${row} ${memory.text(start, ends[line] as number)}`)
    }
  }
  input.close()
  return { lines, share: input.share }
}

test('files are read in the order in which they are given, those of a glob in that of their names', async () => {
  const folder = folderWith({
    'z.ndjson': 'z1\n\nz3',
    'in/b.ndjson': 'b1\n',
    'in/a.ndjson.gz': gzipSync('a1\na2'),
    'in/deep/c.ndjson': 'c1',
    'in/empty.ndjson': '',
  })
  const { lines, share } = await read(folder, ['z.ndjson', 'in/*', 'in/**/c.ndjson'])
  expect(lines).toEqual([
    'z.ndjson:1 z1',
    'z.ndjson:3 z3',
    'in/a.ndjson.gz:1 a1',
    'in/a.ndjson.gz:2 a2',
    'in/b.ndjson:1 b1',
    'in/deep/c.ndjson:1 c1',
  ])
  expect(share).toBe(1)
})

test('a file whose name looks like a glob is that file', async () => {
  const folder = folderWith({ 'export (1).ndjson': 'one', 'a[1].ndjson': 'two' })
  const { lines } = await read(folder, ['export (1).ndjson', 'a[1].ndjson'])
  expect(lines).toEqual(['export (1).ndjson:1 one', 'a[1].ndjson:1 two'])
})

test('an empty file at the end has been read', async () => {
  const folder = folderWith({ 'a.ndjson': 'a', 'b.ndjson': '' })
  expect((await read(folder, ['*'])).share).toBe(1)
})

test('all that is not there, or is no file, is refused at once', async () => {
  const folder = folderWith({ 'a.ndjson': 'a' })
  mkdirSync(join(folder, 'in'))
  const refused = read(folder, ['*.csv', 'none.ndjson', 'a.ndjson', 'in'])
  await expect(refused).rejects.toMatchObject({
    faults: [
      { code: 'CONFIG_INVALID', where: join(folder, '*.csv') },
      { code: 'CONFIG_INVALID', where: join(folder, 'none.ndjson') },
      { code: 'CONFIG_INVALID', where: join(folder, 'in') },
    ],
  })
})

test('a file that breaks off is a fault with its name', async () => {
  const folder = folderWith({ 'a.ndjson.gz': gzipSync('abc'.repeat(1_000)).subarray(0, 25) })
  await expect(read(folder, ['a.ndjson.gz'])).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: join(folder, 'a.ndjson.gz'),
  })
})

test('tables with different columns are refused, with what differs', async () => {
  const folder = folderWith({ 'a.csv': 'x,y\n1,2\n', 'b.csv': 'y,x\n1,2\n', 'c.csv': 'x,z\n1,2\n' })
  await expect(read(folder, ['*.csv'])).rejects.toMatchObject({
    faults: [
      {
        where: join(folder, 'c.csv'),
        message: `its columns differ from those of ${join(folder, 'a.csv')}: it lacks y VARCHAR, has z VARCHAR`,
      },
    ],
  })
})
