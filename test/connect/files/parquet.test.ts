import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DuckDb, sqlText } from '../../../src/connect/files/duckdb.ts'
import { readNumbers, withColumns } from '../../../src/connect/files/parquet.ts'
import { folderWith } from '../../support/folder.ts'

const ROWS = 10_000

test('reads and writes rows of a file of Parquet across its row groups', async () => {
  const folder = folderWith({})
  const duckdb = await DuckDb.open(folder)
  const [path, to] = [join(folder, 'in.parquet'), join(folder, 'out.parquet')]
  const select = `SELECT 'r' || i AS id, if(i % 2 = 0, i, NULL) AS even FROM range(${ROWS}) t(i)`
  await duckdb.run(`COPY (${select}) TO ${sqlText(path)} (FORMAT parquet, ROW_GROUP_SIZE 2048)`)
  const rows = { path, from: 3_001, to: 9_001 }
  const numbers: number[] = []
  for await (const [even] of readNumbers(rows, duckdb, ['even'])) {
    numbers.push(...(even ?? []))
  }
  expect(numbers).toEqual(
    Array.from({ length: 6_000 }, (_, i) => (i % 2 === 1 ? 3_001 + i : Number.NaN)),
  )

  const scores = Float64Array.from({ length: 6_000 }, (_, i) => (i === 5 ? Number.NaN : i / 8))
  const columns = new Map([['score', scores]])
  const how = { columns, compression: 'zstd', metadata: { made: 'here' } } as const
  await withColumns({ rows, to }, duckdb, how)
  const written = await duckdb.rows(`SELECT id, score FROM read_parquet(${sqlText(to)})`)
  duckdb.close()
  expect(written).toEqual(
    [...scores].map((score, i) => [`r${3_001 + i}`, Number.isNaN(score) ? null : score]),
  )
})
