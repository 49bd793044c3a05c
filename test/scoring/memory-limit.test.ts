import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { BatchScorer } from '../../src/scoring/batch-scorer.ts'
import { MemoryLimit } from '../../src/scoring/memory-limit.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { FIXTURES } from './support.ts'

const NO_MEMORY = 'Failed to allocate memory for requested buffer of size 4000000'
const ROWS = 64
const MINUTES = 10
/** Seconds of the clock that a batch takes. */
const BATCH_S = 5

/** A model that returns its one feature, and has memory for so many rows at once. */
function crampedModel(room: number) {
  const clock = { ms: 0 }
  const model = { room, sizes: [] as number[] }
  const limit = new MemoryLimit(() => clock.ms)
  const runAtOnce: Runner['run'] = async (rows, count) => {
    model.sizes.push(count)
    if (count > model.room) throw new Error(NO_MEMORY)
    return [Float64Array.from(rows)]
  }
  const runner: Runner = {
    run: (rows, count) => limit.run(rows, count, runAtOnce),
    close: async () => {},
  }
  const cost = { baseMs: 0, rowMs: 0.001 }
  const identity = { label: 'm@1', features: 1, columns: 1 }
  const scorer = new BatchScorer(identity, [{ runner, rows: 2048, cost }])
  const scoreBatch = async (first: number) => {
    clock.ms += BATCH_S * 1_000
    model.sizes.length = 0
    return scorer.score(
      Float32Array.from({ length: ROWS }, (_, i) => first + i),
      ROWS,
    )
  }
  return { model, scoreBatch }
}

test.each([1, 8, 40])(
  'rows are halved until %i have memory; all are scored, and none is bad',
  async (room) => {
    const { model, scoreBatch } = crampedModel(room)
    const tooLarge: number[] = []
    for (let batch = 0; batch < (MINUTES * 60) / BATCH_S; batch++) {
      const { columns, failed } = await scoreBatch(batch * ROWS)
      expect(failed.size).toBe(0)
      expect(columns[0]).toEqual(Float64Array.from({ length: ROWS }, (_, i) => batch * ROWS + i))
      if (batch >= 2) tooLarge.push(...model.sizes.filter((size) => size > room))
    }
    // The limit is raised once a minute, to see whether there is memory again.
    expect(tooLarge.length).toBeLessThanOrEqual(MINUTES)
  },
)

test('without memory for one row the model fails, no row is bad, and the limit is the one before', async () => {
  const { model, scoreBatch } = crampedModel(40)
  await scoreBatch(0)
  model.room = 0
  await expect(scoreBatch(0)).rejects.toMatchObject({
    code: 'MODEL_FAILING',
    message: 'm@1 lacks the memory to score one row',
  })
  model.room = 40
  expect((await scoreBatch(0)).failed.size).toBe(0)
  expect(model.sizes).toEqual([32, 32])
})

test('a limit ends when there is memory again: it doubles each minute', async () => {
  const { model, scoreBatch } = crampedModel(8)
  await scoreBatch(0)
  model.room = 2048
  for (let batch = 0; batch < (4 * 60) / BATCH_S; batch++) await scoreBatch(0)
  expect(model.sizes).toEqual([ROWS])
})

test('ONNX Runtime in a process with too little memory scores all rows, in pieces', async () => {
  const script = new URL('./cramped-process.mjs', import.meta.url).pathname
  const model = new URL('expand.onnx', FIXTURES).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', script, model],
  ])
  const wanted = { failed: 0, scores: Array.from({ length: ROWS }, (_, row) => 4 * row + 1) }
  const batches = stdout.trim().split('\n')
  expect(batches.map((batch) => JSON.parse(batch) as unknown)).toEqual([wanted, wanted])
})
