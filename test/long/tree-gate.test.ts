import { expect, test } from 'vitest'
import { seeded } from '../../src/kernel/random.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { differenceFrom } from '../../src/scoring/tree-comparison.ts'
import { TreeRunner } from '../../src/scoring/tree-runner.ts'
import { pathRows } from '../../src/trees/probe-rows.ts'
import { type ModelNode, treeModel } from '../trees/tree-model.ts'

/** With `TIDEMARK_TEST_TREE_MODELS=200` it takes some minutes. */
const MODELS = Number(process.env['TIDEMARK_TEST_TREE_MODELS'] ?? 25)
const ROWS = 50_000
const FEATURES = 4
const MODES = ['LEQ', 'LT', 'GTE', 'GT', 'EQ', 'EQ', 'EQ', 'NEQ'] as const
const READING = {
  input: 'features',
  features: ['a', 'b', 'c', 'd'],
  outputs: { score: { tensor: 'score', columns: ['score'] } },
}

/** Trees with any modes, flags and thresholds, and chains of categories that share a subtree. */
function randomTrees(seed: number): ModelNode[] {
  const random = seeded(seed)
  const upTo = (count: number) => Math.floor(random() * count)
  const mutated = seed % 2 === 0
  const grow = (depth: number): ModelNode => {
    if (depth === 0 || random() < 0.1) return { weight: Math.fround(random() - 0.5) }
    const [feature, mode] = [upTo(FEATURES), MODES[upTo(MODES.length)] ?? 'LEQ']
    const whenTrue = grow(depth - 1)
    let node = grow(depth - 1)
    const flag = random() < 0.3
    for (let links = mode === 'EQ' ? 1 + upTo(6) : 1; links > 0; links--) {
      const value = random() < 0.5 ? upTo(40) : Math.fround(random() * 10)
      const missing = mutated && random() < 0.01 ? !flag : flag
      node = { mode, feature, value, missing, whenTrue, whenFalse: node }
    }
    return node
  }
  return Array.from({ length: 1 + upTo(30) }, () => grow(7))
}

/** Whether trees and ONNX Runtime give the same scores on many rows that follow their paths. */
async function areTheSame(runner: Runner, trees: TreeRunner): Promise<boolean> {
  const { trees: roots } = trees.model.ensemble
  let compared = 0
  for (let seed = 2; compared < ROWS; seed++) {
    const rows = pathRows(roots, { width: FEATURES, most: ROWS, seed })
    const count = rows.length / FEATURES
    // Trees without branches.
    if (count === 0) return true
    const [[theirs], [ours]] = [await runner.run(rows, count), await trees.run(rows, count)]
    if (!theirs?.every((score, row) => Object.is(score, ours?.[row]))) return false
    compared += count
  }
  return true
}

test('no model is accepted whose scores differ on rows that follow its paths', {
  timeout: 600_000,
}, async () => {
  let [accepted, refused] = [0, 0]
  const wrong: number[] = []
  for (let seed = 1; seed <= MODELS; seed++) {
    const bytes = treeModel(randomTrees(seed), FEATURES)
    const trees = TreeRunner.read(bytes, READING)
    if (typeof trees === 'string') {
      refused++
      continue
    }
    const runner = await OnnxSession.load(bytes, READING)
    if ((await differenceFrom(runner, trees)) === null) {
      accepted++
      if (!(await areTheSame(runner, trees))) wrong.push(seed)
    }
    await runner.close()
  }
  expect(wrong).toEqual([])
  // Otherwise the rows above say little.
  expect(accepted).toBeGreaterThan(MODELS / 4)
  expect(refused).toBeGreaterThan(MODELS / 20)
})
