import { expect, test } from 'vitest'
import { leavesOf } from '../../src/trees/ensemble.ts'
import { expModel } from '../../src/trees/exp-model.ts'
import { expOf } from '../../src/trees/float-functions.ts'
import { readOnnx } from '../../src/trees/onnx-file.ts'
import { readEnsemble } from '../../src/trees/read-ensemble.ts'

test('the model of exp asks where rounding float64 gives another float32, many times', () => {
  const [node] = readOnnx(expModel().bytes).nodes
  if (node === undefined) throw new Error('it has no node')
  const [tree] = readEnsemble(node).trees
  const leaves = tree === undefined ? [] : leavesOf(tree)
  const hard = leaves.map(({ weights }) => weights[0]?.weight as number)
  expect(hard).toHaveLength(1_000)
  const others = hard.filter((x) => Math.fround(Math.exp(x)) !== expOf(x))
  expect(others.length).toBeGreaterThan(50)
})
