import { expect, test, vi } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { CARD_FEATURES, cardModel, goldenOf, useOf } from './support.ts'

const own = cardModel('card-gbdt', { golden: goldenOf('card-gbdt') })
const row = new Float32Array(13).fill(1)

test('steps that run the same file alike share one session, each under the name of its model', async () => {
  const load = vi.spyOn(OnnxSession, 'load')
  const release = vi.spyOn(OnnxSession.prototype, 'release')
  const uses = ['a', 'b', 'c'].map((step) => useOf({ ...own, name: `of ${step}` }, { step }))
  const { scorers } = await loadScorers(uses, new Map())
  const [a, b, c] = [...scorers.values()] as [Scorer, Scorer, Scorer]
  expect(load.mock.calls.length - release.mock.calls.length).toBe(1)
  expect([a, b, c].map(({ label }) => label)).toEqual(['of a@1', 'of b@1', 'of c@1'])
  const all = await Promise.all([a, b, c].map((scorer) => scorer.score(row, 1)))
  expect(new Set(all.map(({ columns }) => columns[0]?.[0])).size).toBe(1)
  for (const scorer of [a, b, c]) await scorer.close()
  expect(load.mock.calls.length - release.mock.calls.length).toBe(0)
  vi.restoreAllMocks()
})

test('each is held against its own golden rows', async () => {
  const swapped = { ...own, features: CARD_FEATURES.toReversed() }
  const uses = [useOf(own, { step: 'a' }), useOf(swapped, { step: 'b' })]
  const { faults } = await loadScorers(uses, new Map())
  expect(faults.map(({ code }) => code)).toEqual(['MODEL_GOLDEN'])
})
