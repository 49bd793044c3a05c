import { expect, test } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { cardModel, useOf } from './support.ts'

const large = useOf(cardModel('card-mlp-large'), { step: 'large', hasFallback: true })
const small = useOf(cardModel('card-mlp'), { step: 'small', hasFallback: true })
const trees = useOf(cardModel('card-gbdt'), { step: 'trees' })

test('a large model takes more than a small one; one with a fallback has a thread, trees have none', async () => {
  const { scorers } = await loadScorers([large, small, trees], new Map())
  const sizes = ['large', 'small', 'trees'].map((step) => scorers.get(step)?.size)
  for (const scorer of scorers.values()) await scorer.close()
  expect(sizes.map((size) => size?.threads)).toEqual([1, 1, 0])
  const [most, less] = sizes.map((size) => size?.bytes ?? 0)
  expect(most).toBeGreaterThan(1_000_000)
  expect(most).toBeGreaterThan(less ?? 0)
})

test('models that take more than the limit together are refused, with what each takes', async () => {
  const { scorers, faults } = await loadScorers([large, small], new Map(), { maxBytes: 1_000_000 })
  expect(scorers.size).toBe(0)
  expect(faults).toMatchObject([{ code: 'MODEL_LIMIT' }])
  expect(faults[0]?.message).toMatch(
    /^the models take [\d.]+ MB, the limit is 1 MB: card-mlp-large@1 [\d.]+ MB, card-mlp@1 [\d.]+ MB$/,
  )
})
