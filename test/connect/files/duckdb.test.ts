import { readdirSync } from 'node:fs'
import { test } from 'vitest'
import { DuckDb } from '../../../src/connect/files/duckdb.ts'
import { until } from '../../services/cluster.ts'
import { folderWith } from '../../support/folder.ts'

test('a query whose lines nobody reads to their end is over before the connection is closed', async () => {
  const folder = folderWith({})
  const duckdb = await DuckDb.open(folder)
  const lines = duckdb.lines(`SELECT repeat('x', 1000) || i FROM range(1000000) t(i)`)
  await lines.next()
  const ended = lines.return(undefined)
  duckdb.close()
  await ended
  // Its pipe is removed last.
  await until('empty', () => readdirSync(folder).length === 0)
})
