import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchRun } from '../../src/scoring/run-watch.ts'

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
