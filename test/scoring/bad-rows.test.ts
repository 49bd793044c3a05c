import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { scoreApart } from '../../src/scoring/bad-rows.ts'
import { loadScorers } from '../../src/scoring/models.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { folderWith } from '../support/folder.ts'
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

const rowsWith = fc
  .array(fc.boolean(), { minLength: 1, maxLength: 300 })
  .map((bad) => Float32Array.from(bad, (isBad, i) => (isBad ? -1 : i + 1)))
const mostlyGood = fc
  .tuple(fc.integer({ min: 1, max: 2_048 }), fc.array(fc.nat(), { maxLength: 3 }))
  .map(([count, bad]) => {
    const at = new Set(bad.map((b) => b % count))
    return Float32Array.from({ length: count }, (_, i) => (at.has(i) ? -1 : i + 1))
  })

const hasBad = (rows: Float32Array) => rows.some((row) => row < 0)

test('exactly the bad rows are found and all others are scored, or the model is reported as failing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(rowsWith, mostlyGood).filter(hasBad), async (rows) => {
      const { runner, sizes } = brittle()
      const scores = await scoreApart(runner, { rows, count: rows.length, columns: 1 })
      expect(sizes.length).toBeLessThanOrEqual(4 * Math.log2(rows.length))
      const bad = [...rows.keys()].filter((i) => (rows[i] as number) < 0)
      const expected = Float64Array.from(rows, (row) => (row < 0 ? Number.NaN : row))
      const found =
        scores === null ? null : [[...scores.failed].toSorted((a, b) => a - b), scores.columns]
      expect([null, [bad, [expected]]]).toContainEqual(found)
    }),
  )
})

test.each([1, 2, 3, 64, 100, 2_048])('one bad row of %i is always found', async (count) => {
  for (const at of [0, count >> 1, count - 1]) {
    const rows = Float32Array.from({ length: count }, (_, i) => (i === at ? -1 : 1))
    const scores = await scoreApart(brittle().runner, { rows, count, columns: 1 })
    expect([...(scores?.failed ?? [])]).toEqual([at])
  }
})

test('a model that fails on every row is run no more often than allowed', async () => {
  const { runner, sizes } = brittle()
  const rows = new Float32Array(2_048).fill(-1)
  expect(await scoreApart(runner, { rows, count: 2_048, columns: 1 })).toBeNull()
  expect(sizes).toHaveLength(44)
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
