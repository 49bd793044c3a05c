import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { watchedRunner, watchRun } from '../../src/scoring/thread-runner.ts'
import { thrownBy } from '../support/thrown.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the watch of a run', () => {
  it('is over when the run has not returned in time, not before', async () => {
    const over = vi.fn<() => void>()
    watchRun({ ms: 300, timers: 30 }, over)
    await vi.advanceTimersByTimeAsync(299)
    expect(over).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(2)
    expect(over).toHaveBeenCalledOnce()
  })

  it('is not over once the run has returned, even in the turn in which the time has passed', async () => {
    const over = vi.fn<() => void>()
    const returned = watchRun({ ms: 100, timers: 1 }, over)
    setTimeout(() => setImmediate(returned), 99)
    await vi.advanceTimersByTimeAsync(200)
    const late = watchRun({ ms: 100, timers: 1 }, over)
    // The timer has fired, and then the reply is read.
    setTimeout(late, 100)
    await vi.advanceTimersByTimeAsync(200)
    expect(over).not.toHaveBeenCalled()
  })

  it('counts a time in which the event loop did not run as a single timer', async () => {
    const over = vi.fn<() => void>()
    watchRun({ ms: 300, timers: 30 }, over)
    // A suspended process: the clock goes on, and the one timer that is due fires late.
    vi.setSystemTime(Date.now() + 3_600_000)
    await vi.advanceTimersByTimeAsync(10)
    expect(over).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(291)
    expect(over).toHaveBeenCalledOnce()
  })

  it('is never over when any time is allowed, and outlasts the longest timer', async () => {
    const over = vi.fn<() => void>()
    watchRun({ ms: Number.POSITIVE_INFINITY, timers: 1 }, over)
    watchRun({ ms: 2 ** 40, timers: 30 }, over)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(over).not.toHaveBeenCalled()
  })
})

const row = new Float32Array(1)

/** Each run takes so many ms, by fake timers. */
function slow(ms: number, latencyBudgetMs: number) {
  const run = async () => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return []
  }
  return watchedRunner({ run, close: async () => {} }, { label: 'm@1', latencyBudgetMs })
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
