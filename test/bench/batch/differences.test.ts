import { expect, it, onTestFinished } from 'vitest'
import { DuckDb } from '../../../src/connect/files/duckdb.ts'
import { folderWith } from '../../support/folder.ts'
import { differences, isSame } from './differences.ts'

async function compared(ours: string, theirs: string) {
  const duckdb = await DuckDb.open(folderWith({}))
  onTestFinished(() => duckdb.close())
  const table = (rows: string) => `(SELECT * FROM (VALUES ${rows}) AS t(paymentId, score))`
  const sides = { ours: table(ours), theirs: table(theirs) }
  return differences(duckdb, { ...sides, columns: ['score'] })
}

it('values are compared as float32, and what may be rounding is told apart', async () => {
  const ours = `('same', 0.1::DOUBLE), ('bit', 0.5), ('far', 0.5), ('small', 1e-4), ('large', 1e6), ('gone', 1)`
  const theirs = `('same', 0.1::FLOAT), ('bit', 0.50000006), ('far', 0.50001), ('small', 1.001e-4), ('large', 1e6 + 0.5), ('gone', NULL)`
  const found = await compared(ours, theirs)
  expect(found.columns).toEqual({ score: { different: 5, beyondRounding: 2 } })
  expect(isSame(found)).toBe(false)
})

it('payments that only one of both has are counted, and no values of them', async () => {
  const found = await compared(`('a', 1), ('b', 2)`, `('b', 2), ('c', 3), ('d', 4)`)
  const same = { score: { different: 0, beyondRounding: 0 } }
  expect(found).toEqual({ onlyOurs: 1, onlyTheirs: 2, columns: same })
  expect(isSame(found)).toBe(false)
})

it('the same payments with the same values are the same', async () => {
  expect(isSame(await compared(`('a', 1), ('b', 2)`, `('b', 2), ('a', 1)`))).toBe(true)
})
