import { expect, test } from 'vitest'
import { tidemark } from '../support/command-line.ts'

const TREES = 'topologies/models/card-gbdt.onnx'
const NETWORK = 'test/fixtures/models/card-mlp.onnx'
/** So that few sizes are measured. */
const BUDGET = ['--latency-budget', '0.3']

interface Written {
  readonly file: string
  readonly evaluator: string
  readonly bestBatch: number
  readonly largestBatch: number
  readonly batches: readonly { readonly rows: number; readonly rowsPerSecond: number }[]
}

test('model benchmark measures each file, by trees and by ONNX Runtime where both can', async () => {
  const args = ['model', 'benchmark', TREES, NETWORK, '--evaluator', 'both', '--json']
  const { code, stdout } = await tidemark([...args, ...BUDGET])
  expect(code).toBe(0)
  const written = JSON.parse(stdout) as Written[]
  expect(written.map(({ file, evaluator }) => [file, evaluator])).toEqual([
    [TREES, 'trees'],
    [TREES, 'onnxruntime'],
    [NETWORK, 'onnxruntime'],
  ])
  for (const { batches, bestBatch, largestBatch } of written) {
    expect(batches.map(({ rows }) => rows)).toContain(bestBatch)
    expect(batches.at(-1)?.rows).toBe(largestBatch)
    expect(batches.every(({ rowsPerSecond }) => rowsPerSecond > 0)).toBe(true)
  }
})

test('model benchmark compares several at the end', async () => {
  const { code, stdout } = await tidemark(['model', 'benchmark', TREES, NETWORK, ...BUDGET])
  expect(code).toBe(0)
  const [head, ...rows] = (stdout.split('\n\n').at(-1) ?? '').trimEnd().split('\n')
  expect(head).toMatch(/^model +computed by +ms for 1 row /)
  expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual(['card-gbdt.onnx', 'card-mlp.onnx'])
})
