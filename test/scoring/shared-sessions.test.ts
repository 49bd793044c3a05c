import { afterEach, expect, type MockInstance, test, vi } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'
import { CARD_FEATURES, cardModel, goldenOf, useOf } from './support.ts'

const own = cardModel('card-gbdt', { golden: goldenOf('card-gbdt') })
const row = new Float32Array(13).fill(1)

afterEach(() => void vi.restoreAllMocks())

/** Counts how many objects are open that one function opens and another closes. */
function counted(opens: MockInstance, closes: MockInstance): () => number {
  return () => opens.mock.calls.length - closes.mock.calls.length
}

test("steps that run the same file in the same way share one session, each under its model's name", async () => {
  const here = counted(vi.spyOn(OnnxSession, 'load'), vi.spyOn(OnnxSession.prototype, 'close'))
  const threads = counted(
    vi.spyOn(ThreadRunner, 'start'),
    vi.spyOn(ThreadRunner.prototype, 'close'),
  )
  const uses = ['a', 'b', 'c'].map((step) => useOf({ ...own, name: `of ${step}` }, { step }))
  const { scorers } = await loadScorers(uses, new Map(), { evaluator: 'onnxruntime' })
  const [a, b, c] = [...scorers.values()] as [Scorer, Scorer, Scorer]
  // Where a model runs depends on measurements: a slow machine keeps its session on a thread, a
  // fast one keeps it inline, most keep both.
  expect(Math.max(here(), threads())).toBe(1)
  expect([a, b, c].map(({ label }) => label)).toEqual(['of a@1', 'of b@1', 'of c@1'])
  const all = await Promise.all([a, b, c].map((scorer) => scorer.score(row, 1)))
  expect(new Set(all.map(({ columns }) => columns[0]?.[0])).size).toBe(1)
  for (const scorer of [a, b, c]) await scorer.close()
  expect([here(), threads()]).toEqual([0, 0])
})

test('steps with one model have one scorer', async () => {
  const uses = ['a', 'b'].map((step) => useOf(own, { step }))
  const { scorers } = await loadScorers(uses, new Map())
  expect([scorers.size, new Set(scorers.values()).size]).toEqual([2, 1])
  for (const scorer of scorers.values()) await scorer.close()
})

test('each is checked against its own golden rows', async () => {
  const swapped = { ...own, features: CARD_FEATURES.toReversed() }
  const uses = [useOf(own, { step: 'a' }), useOf(swapped, { step: 'b' })]
  const { faults } = await loadScorers(uses, new Map())
  expect(faults.map(({ code }) => code)).toEqual(['MODEL_GOLDEN'])
})
