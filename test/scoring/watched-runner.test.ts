import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WatchedRunner } from '../../src/scoring/watched-runner.ts'
import { thrownBy } from '../support/thrown.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const row = new Float32Array(1)

/** Each run takes so many ms, by fake timers. */
function slow(ms: number, latencyBudgetMs: number) {
  const run = async () => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return []
  }
  return new WatchedRunner({ run, close: async () => {} }, { label: 'm@1', latencyBudgetMs })
}

test.each([
  [50, 30_000],
  [5_000, 100_000],
])(
  'with a budget of %i ms, a run of %i ms hangs, and nothing more is run',
  async (budgetMs, ms) => {
    const runner = slow(ms + 1, budgetMs)
    const failed = thrownBy(runner.run(row, 1))
    await vi.advanceTimersByTimeAsync(ms + 1_000)
    expect((await failed).code).toBe('MODEL_LOST')
    await expect(runner.run(row, 1)).rejects.toMatchObject({
      code: 'MODEL_LOST',
      message: expect.stringContaining('m@1 hangs'),
    })
  },
)

test('a run that returns in time does not', async () => {
  const runner = slow(29_000, 50)
  const ran = runner.run(row, 1)
  await vi.advanceTimersByTimeAsync(29_000)
  expect(await ran).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})
