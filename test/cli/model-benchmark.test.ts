import { describe, expect, test } from 'vitest'
import { comparison, type FileBenchmark } from '../../src/cli/model-benchmark.ts'
import { bar } from '../../src/cli/print.ts'
import { hasten } from '../support/clocks.ts'
import { tidemark } from '../support/command-line.ts'

const TREES = 'topologies/models/card-gbdt.onnx'

describe('tidemark model benchmark', () => {
  test('shows a table with a plot, in which the best batch is marked', async () => {
    hasten(20)
    // Few sizes are measured.
    const args = ['model', 'benchmark', TREES, '--latency-budget', '6']
    const { code, stdout } = await tidemark(args)
    expect(code).toBe(0)
    const [head, columns, ...rows] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^card-gbdt\.onnx {2}by its trees.* latency budget 6 ms$/)
    expect(columns?.trim()).toMatch(/^batch +runs +avg ms +p50 +p95 +p99 +rows\/s$/)
    expect(rows[0]?.trim()).toMatch(/^1 /)
    expect(rows.filter((row) => /\d {2}\S+ {2}best$/.test(row))).toHaveLength(1)
  })

  test('a model that a worker would refuse is not measured', async () => {
    const refused = 'test/fixtures/models/card-batch1.onnx'
    const { code, stdout, stderr } = await tidemark(['model', 'benchmark', refused])
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toContain('MODEL_INPUT')
  })

  test.each(['0', '-1', 'fast'])('a latency budget of %s is refused', async (budget) => {
    const args = ['model', 'benchmark', TREES, `--latency-budget=${budget}`]
    const { code, stderr } = await tidemark(args)
    expect(code).toBe(2)
    expect(stderr).toContain('a number of milliseconds above 0')
  })
})

test('a comparison has a row for each model, with what is known of it', () => {
  const times = (rows: number, p50Ms: number) => ({
    ...{ rows, runs: 10, avgMs: p50Ms, p50Ms, p95Ms: p50Ms, p99Ms: p50Ms },
    rowsPerSecond: (rows * 1_000) / p50Ms,
  })
  const deep: FileBenchmark = {
    ...{ file: 'models/deep.model.ts', bytes: 28_400_000, notes: [], latencyBudgetMs: 50 },
    evaluator: { by: 'onnxruntime', why: 'a MatMul', provider: 'cpu' },
    accuracy: { auc: 0.95, rows: 20_000 },
    ...{ largestBatch: 8, bestBatch: 8, batches: [times(1, 0.85), times(8, 4)] },
  }
  const trees: FileBenchmark = {
    ...{ file: 'gbdt.onnx', bytes: 250_000, notes: [], accuracy: null },
    latencyBudgetMs: 50,
    evaluator: { by: 'trees' },
    ...{ largestBatch: 64, bestBatch: 32 },
    batches: [times(1, 0.004), times(32, 0.064), times(64, 0.2)],
  }
  expect(comparison([deep, trees]).join('\n')).toBe(`\
model           computed by  ms for 1 row  for 32  for the largest  rows/s at best    MB            accuracy
deep.model.ts  ONNX Runtime         0.850       –        4.00 of 8           2,000  28.4  auc 0.95 on 20,000
gbdt.onnx         its trees         0.004   0.064      0.200 of 64         500,000   0.3                   –`)
})

test('a bar is as long as its share, by eighths of a character', () => {
  expect(bar(1)).toBe('█'.repeat(24))
  expect(bar(0.5)).toBe('█'.repeat(12))
  expect(bar(1 / 192)).toBe('▏')
  expect(bar(0)).toBe('')
})
