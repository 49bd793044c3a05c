import { expect, test } from 'vitest'
import type { Answer } from '../../src/scoring/scorer.ts'
import { scoreFitting, wholeFeaturesOf } from '../../src/scoring/whole-features.ts'

const FEATURES = ['amount', 'count', 'isForeign']
const inputs = [
  { name: 'amount', type: 'float64', shape: ['N', 1] },
  { name: 'count', type: 'int64', shape: ['N', 1] },
  { name: 'foreign', type: 'bool', shape: ['N', 1] },
]
const input = { amount: ['amount'], count: ['count'], foreign: ['isForeign'] }
const whole = wholeFeaturesOf({ input, features: FEATURES }, { inputs, outputs: [] })

/** A model that returns the first feature, and fails on 13. */
async function scoreRows(rows: Float32Array, count: number): Promise<Answer> {
  const scores = Float64Array.from({ length: count }, (_, row) => rows[row * 3] as number)
  const failed = new Set([...scores.keys()].filter((row) => scores[row] === 13))
  return { columns: [scores], failed, lost: new Set(), errors: new Map(), runMs: 1 }
}

test.each<[string, readonly [number, number], string]>([
  ['a fraction', [0.5, 0], '"count" is 0.5, the model takes a whole number from −2^24 to 2^24'],
  ['beyond 2^24', [2 ** 24 + 2, 0], '"count" is 16777218'],
  ['below −2^24', [-(2 ** 24) - 2, 0], '"count" is -16777218'],
  ['infinite', [Infinity, 0], '"count" is Infinity'],
  ['missing', [Number.NaN, 0], '"count" is missing'],
  ['neither true nor false', [1, 2], '"isForeign" is 2, the model takes 0 or 1'],
  ['a missing boolean', [1, Number.NaN], '"isForeign" is missing'],
])('a row with a number that is %s has no score, others keep theirs', async (_, bad, why) => {
  const rows = Float32Array.from([...[7, 1, 0], ...[8, ...bad], ...[13, 2, 1], ...[9, 2 ** 24, 1]])
  const { columns, failed, errors } = await scoreFitting(scoreRows, whole)(rows, 4)
  expect([...(columns[0] as Float64Array)]).toEqual([7, Number.NaN, 13, 9])
  expect(failed).toEqual(new Set([1, 2]))
  expect([...(errors?.keys() ?? [])]).toEqual([1])
  expect(errors?.get(1)).toMatchObject({ code: 'SCORE_FAILED' })
  expect(errors?.get(1)?.message).toContain(`feature ${why}`)
})

test('all rows go to the model as they are if it takes only floats', () => {
  const [float] = inputs
  const none = wholeFeaturesOf(
    { input: 'amount', features: FEATURES },
    { inputs: [float as (typeof inputs)[number]], outputs: [] },
  )
  expect(scoreFitting(scoreRows, none)).toBe(scoreRows)
})
