import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { NotRead } from '../../src/trees/ensemble.ts'
import { TreeEvaluator } from '../../src/trees/evaluator.ts'
import { readOnnx } from '../../src/trees/onnx-file.ts'
import { hardRows } from '../../src/trees/probe-rows.ts'
import { recognise, type Wanted } from '../../src/trees/recognise.ts'
import { type ModelNode, treeModel } from './tree-model.ts'

const MODELS = join(import.meta.dirname, 'models')
const ROWS = 4_096
/** Batches of one, of less and of more than fit side by side. */
const BATCHES = [1, 3, 4, 5, 16, 17, 1_000, ROWS]

/** A model in ONNX Runtime, on one thread; `run` gives all columns of all tensors. */
async function oracleOf(bytes: Buffer) {
  const one = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
  const session = await InferenceSession.create(bytes, one)
  const [input] = session.inputMetadata
  if (input?.isTensor !== true) throw new Error('it takes no tensor')
  const width = input.shape[1] as number
  const run = async (rows: Float32Array, count: number) => {
    const fetched = await session.run({ [input.name]: new Tensor('float32', rows, [count, width]) })
    return Object.entries(fetched).map(([tensor, { dims, data }]) => {
      return { tensor, width: dims[1] ?? 1, data: Array.from(data as Float32Array, Number) }
    })
  }
  return { bytes, input: input.name, width, run }
}

async function compared(bytes: Buffer) {
  const oracle = await oracleOf(bytes)
  const { input, width } = oracle
  const model = readOnnx(oracle.bytes)
  const few = await oracle.run(new Float32Array(width), 1)
  const wanted = few.flatMap(({ tensor, width: columns }) => {
    return Array.from({ length: columns }, (_, column): Wanted => ({ tensor, column }))
  })
  const known = recognise(model, { input, features: width, wanted })
  const evaluator = new TreeEvaluator(known, width)
  const rows = hardRows(known.ensemble.trees, { width, atLeast: ROWS }).subarray(0, ROWS * width)
  const tensors = await oracle.run(rows, ROWS)
  const columns = tensors.flatMap(({ width: of, data }) => {
    return Array.from({ length: of }, (_, c) => data.filter((__, i) => i % of === c))
  })
  return { evaluator, rows, width, columns }
}

const NOT_KNOWN = new Map([['isolation-forest.onnx', 'operator Cast']])
const NAMES = readdirSync(MODELS)

describe('an ensemble of trees gives the same bits as in ONNX Runtime', () => {
  test.each(NAMES.filter((name) => !NOT_KNOWN.has(name)))('%s', async (name) => {
    const { evaluator, rows, width, columns } = await compared(readFileSync(join(MODELS, name)))
    for (const batch of BATCHES) {
      const some = evaluator.run(rows.subarray(0, batch * width), batch)
      expect(some.map((column) => [...column])).toEqual(columns.map((c) => c.slice(0, batch)))
    }
  })

  const leaf = (weight: number) => ({ weight })
  const branch = { feature: 0, missing: false }

  test('also one of every test, for zeros, the least and other numbers, with and without missing', async () => {
    const modes = ['LEQ', 'LT', 'GTE', 'GT', 'EQ', 'NEQ'] as const
    const trees = modes.flatMap((mode, m) =>
      [0, -0, 2 ** -149, 12.5, -0.25, 3e38].flatMap((value, v) =>
        [false, true].map((missing, i): ModelNode => {
          const below = { mode, feature: 1, value: -value, missing: !missing }
          const inner = { ...below, whenTrue: leaf(m + 0.1), whenFalse: leaf(v + 0.3) }
          return { mode, feature: 0, value, missing, whenTrue: inner, whenFalse: leaf(i - 0.7) }
        }),
      ),
    )
    const { evaluator, rows, columns } = await compared(treeModel(trees, 2))
    expect(evaluator.run(rows, ROWS).map((column) => [...column])).toEqual(columns)
  })

  test('also one with 2^60 paths, whose branches share all that is below them', async () => {
    let tree: ModelNode = leaf(0.5)
    for (let i = 0; i < 60; i++) {
      tree = { ...branch, mode: 'LEQ', value: i, whenTrue: tree, whenFalse: tree }
    }
    const split: ModelNode = { ...branch, mode: 'GT', value: 7, whenTrue: tree, whenFalse: leaf(2) }
    const { evaluator, rows, columns } = await compared(treeModel([split, tree], 3))
    expect(evaluator.run(rows, ROWS).map((column) => [...column])).toEqual(columns)
  })

  test.each([5, 300])('also one whose %i categories share subtrees', async (categories) => {
    const inner: ModelNode = {
      ...branch,
      ...{ feature: 1, mode: 'LT', value: 0.5, whenTrue: leaf(1), whenFalse: leaf(-1) },
    }
    let tree: ModelNode = leaf(0.25)
    for (let value = 1; value <= categories; value++) {
      tree = { ...branch, mode: 'EQ', value, whenTrue: inner, whenFalse: tree }
    }
    const { evaluator, rows, columns } = await compared(treeModel([tree, tree], 2))
    expect(evaluator.run(rows, ROWS).map((column) => [...column])).toEqual(columns)
  })
})

test('one that ONNX Runtime turns into other tests is not read: a set has one flag for missing', async () => {
  const inside = { weight: 1 }
  let tree: ModelNode = { weight: 0 }
  for (const [value, missing] of [1, 2, 3].map((of) => [of, of === 2] as const)) {
    tree = { mode: 'EQ', feature: 0, value, missing, whenTrue: inside, whenFalse: tree }
  }
  const reason = 'equality tests of one set that differ on missing features'
  await expect(compared(treeModel([tree], 1))).rejects.toThrow(new NotRead(reason))
})

test('one whose categories are most of its branches is not read: walking them is no faster', async () => {
  let tree: ModelNode = { weight: 0 }
  const inside = { weight: 1 }
  for (let value = 1; value <= 600; value++) {
    tree = { mode: 'EQ', feature: 0, value, missing: false, whenTrue: inside, whenFalse: tree }
  }
  const reason = 'large trees whose branches share subtrees'
  await expect(compared(treeModel([tree], 1))).rejects.toThrow(new NotRead(reason))
})

test.each([...NOT_KNOWN])('%s stays with ONNX Runtime: %s', async (name, reason) => {
  await expect(compared(readFileSync(join(MODELS, name)))).rejects.toThrow(new NotRead(reason))
})
