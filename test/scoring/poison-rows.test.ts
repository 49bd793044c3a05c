import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { BatchLimit, scoreApart } from '../../src/scoring/poison-rows.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { folderWith } from '../support/folder.ts'
import { runs } from '../support/runs.ts'
import { cardModel, useOf } from './support.ts'

/** A model that returns its one feature and fails when a row is negative, with its batch sizes. */
function brittle() {
  const sizes: number[] = []
  const runner: Runner = {
    run: async (rows, count) => {
      sizes.push(count)
      if (rows.some((row) => row < 0)) throw new Error('no')
      return [Float64Array.from(rows)]
    },
    close: async () => {},
  }
  return { runner, sizes }
}

const flags = fc.oneof(
  fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }),
  // Bad rows that are neighbours, such as those of one sender.
  fc
    .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 200 })), { minLength: 1, maxLength: 8 })
    .map((stretches) => stretches.flatMap(([isBad, length]) => Array<boolean>(length).fill(isBad))),
)
const failingRows = flags
  .filter((bad) => bad.includes(true))
  .map((bad) => Float32Array.from(bad, (isBad, i) => (isBad ? -1 : i + 1)))

const batchOf = (rows: Float32Array, isWorking = false) => {
  return { rows, count: rows.length, columns: 1, isWorking }
}

/** The scores of each row run alone, and the rows on which the model fails. */
async function eachAlone(runner: Runner, rows: Float32Array) {
  const failed = new Set<number>()
  const column = new Float64Array(rows.length)
  for (let row = 0; row < rows.length; row++) {
    const scores = await runner.run(rows.subarray(row, row + 1), 1).catch(() => null)
    if (scores === null) failed.add(row)
    column[row] = scores?.[0]?.[0] ?? Number.NaN
  }
  return { columns: [column], failed }
}

test('the search finds what each row alone would: bad rows fail, all others are scored', async () => {
  await fc.assert(
    fc.asyncProperty(failingRows, async (rows) => {
      const { runner } = brittle()
      const found = await scoreApart(runner, batchOf(rows, true))
      expect(found).toEqual(await eachAlone(runner, rows))
    }),
    { numRuns: runs(40) },
  )
})

test('a model is reported as failing only when it can score none of 4·log₂(n) rows', async () => {
  await fc.assert(
    fc.asyncProperty(failingRows, async (rows) => {
      const { runner, sizes } = brittle()
      const found = await scoreApart(runner, batchOf(rows))
      const most = Math.min(rows.length, Math.floor(4 * Math.log2(rows.length)))
      const tried = { found, isAfter: found !== null || sizes.length === most }
      const expected = found === null ? null : await eachAlone(runner, rows)
      expect(tried).toEqual({ found: expected, isAfter: true })
    }),
    { numRuns: runs(40) },
  )
})

test('a model is not reported as failing for fewer than 8 rows', async () => {
  for (const count of [1, 7]) {
    const scores = await scoreApart(brittle().runner, batchOf(new Float32Array(count).fill(-1)))
    expect(scores?.failed.size).toBe(count)
  }
})

test.each([
  ['one in 64', (i: number) => i % 64 === 17],
  ['all but one in 16', (i: number) => i % 16 !== 3],
  ['the first half', (i: number) => i < 1_024],
  ['all but the last eighth', (i: number) => i < 1_792],
])('of 2,048 rows it is rows that are bad, not the model: %s', async (_, isBad) => {
  const rows = Float32Array.from({ length: 2_048 }, (_row, i) => (isBad(i) ? -1 : 1))
  const scores = await scoreApart(brittle().runner, batchOf(rows))
  expect(scores?.failed.size).toBe(rows.filter((row) => row < 0).length)
})

test.each([1, 2, 3, 64, 100, 2_048])('one bad row of %i is always found', async (count) => {
  for (const at of [0, count >> 1, count - 1]) {
    const rows = Float32Array.from({ length: count }, (_, i) => (i === at ? -1 : 1))
    const { runner, sizes } = brittle()
    const scores = await scoreApart(runner, batchOf(rows))
    expect([...(scores?.failed ?? [])]).toEqual([at])
    expect(sizes.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(count)) + 2)
  }
})

test('a model that fails on every row is run no more often than allowed', async () => {
  const { runner, sizes } = brittle()
  const rows = new Float32Array(2_048).fill(-1)
  expect(await scoreApart(runner, batchOf(rows))).toBeNull()
  expect(sizes).toEqual(Array(44).fill(1))
})

test('an index that an embedding does not have fails only its own row', async () => {
  const outputs = { score: { tensor: 'score', column: 0 } }
  const features = ['index', 'none']
  const file = JSON.stringify({
    features,
    inputs: [
      [0, 0],
      [49, 0],
    ],
    outputs: [0, 1],
  })
  const golden = pathToFileURL(join(folderWith({ 'golden.json': file }), 'golden.json'))
  const model = cardModel('embedding', { features, outputs, golden })
  const { scorers } = await loadScorers([useOf(model)], new Map())
  const rows = Float32Array.from({ length: 128 }, (_, i) => (i === 2 * 41 ? 60 : i / 4))
  const scores = await scorers.get('score')?.score(rows, 64)
  await scorers.get('score')?.close()
  expect([...(scores?.failed ?? [])]).toEqual([41])
  expect(scores?.columns[0]?.findLastIndex(Number.isNaN)).toBe(41)
  expect(scores?.columns[0]?.[63]).toBeCloseTo(31 / 49)
})

test('a batch with a bad row halves the limit, down to 32 rows', () => {
  const limit = new BatchLimit()
  const limits: number[] = []
  for (let most = 300; limits.length < 5; most = limit.rows) {
    limit.failed(most)
    limits.push(limit.rows)
  }
  expect(limits).toEqual([150, 75, 37, 32, 32])
})

test('full batches without a bad row raise it by 32 rows each, others say nothing', () => {
  const limit = new BatchLimit()
  limit.failed(256)
  for (const count of [127, 128, 159, 160]) limit.scored(count)
  expect(limit.rows).toBe(192)
})

test('nothing is limited before a row has failed, nor after a batch of which none can be scored', () => {
  const limit = new BatchLimit()
  limit.scored(2_048)
  expect(limit.rows).toBe(Number.POSITIVE_INFINITY)
  limit.failed(64)
  limit.lift()
  expect(limit.rows).toBe(Number.POSITIVE_INFINITY)
})
