import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { InputLines } from '../../../src/connect/files/input-lines.ts'
import { folderWith } from '../../support/folder.ts'

vi.mock('@duckdb/node-api', () => {
  throw new Error('Cannot find package')
})

const open = (folder: string, name: string) =>
  InputLines.open([join(folder, name)], () => null, folder)

test('without DuckDB, lines are read, and tables are refused with the line that installs it', async () => {
  const folder = folderWith({ 'a.ndjson': '{}', 'a.csv': 'a\n1', 'a.parquet': 'PAR1' })
  let lines = 0
  for await (const { starts } of (await open(folder, 'a.ndjson')).blocks()) lines += starts.length
  expect(lines).toBe(1)
  for (const name of ['a.csv', 'a.parquet']) {
    await expect(open(folder, name)).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      hint: expect.stringMatching(/^npm install @duckdb\/node-api@/),
    })
  }
})
