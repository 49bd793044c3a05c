import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf, SessionRunner } from '../../src/scoring/runner.ts'
import { provenTrees } from '../../src/scoring/tree-gate.ts'
import { TreeRunner } from '../../src/scoring/tree-runner.ts'
import { cardModel, useOf } from './support.ts'

/** What the gate says of a model, which ONNX Runtime runs as `changed` has it. */
async function verdictOn(name: string, changed: (runner: Runner) => Runner = (same) => same) {
  const model = cardModel(name)
  const bytes = await readFile(model.file)
  const runner = new SessionRunner(await OnnxSession.load(bytes), readingOf(model))
  try {
    return await provenTrees({ bytes }, model, changed(runner))
  } finally {
    await runner.close()
  }
}

test.each(['card-gbdt', 'card-gbdt-v2'])('%s is computed by its trees', async (name) => {
  expect(await verdictOn(name)).toBeInstanceOf(TreeRunner)
})

test('a network stays with ONNX Runtime', async () => {
  expect(await verdictOn('card-mlp')).toBe('operator Relu')
})

test('one bit that differs leaves a model to ONNX Runtime', async () => {
  let runs = 0
  const verdict = await verdictOn('card-gbdt', (runner) => ({
    close: () => runner.close(),
    run: async (rows, count) => {
      const scores = await runner.run(rows, count)
      const [column] = scores
      if (column !== undefined && ++runs === 7) {
        column[3] = Math.fround((column[3] as number) * (1 + 2 ** -23))
      }
      return scores
    },
  }))
  expect(verdict).toBe('other bits on 1 of 20000 rows')
})

test('who computes a model is what the operator chose', async () => {
  const use = useOf(cardModel('card-gbdt'))
  const said: string[] = []
  for (const evaluator of ['auto', 'onnxruntime'] as const) {
    const { scorers } = await loadScorers([use], new Map(), evaluator)
    for (const scorer of scorers.values()) {
      said.push(scorer.evaluator)
      await scorer.close()
    }
  }
  expect(said).toEqual(['its trees, in the worker', 'ONNX Runtime (as you chose)'])
})
