import { setImmediate as nextTurn } from 'node:timers/promises'
import { onTestFinished, vi } from 'vitest'
import type { Clock } from '../../src/kernel/clock.ts'
import type { Random } from '../../src/kernel/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/**
 * A clock that is moved by sleeping only; each sleep ends at the next turn of the event loop, so that
 * a test's time limit ends one who sleeps for ever.
 */
export function sleeplessClock(): Clock {
  let nowMs = 1_000
  return {
    nowMs: () => nowMs,
    present: () => ({ earliestMs: nowMs, latestMs: nowMs }),
    elapsedMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += Math.max(ms, 0)
      await nextTurn()
    },
    after: (ms, work) => {
      const timer = setImmediate(() => {
        nowMs += Math.max(ms, 0)
        work()
      })
      return () => clearImmediate(timer)
    },
  }
}

/** Lets measured time pass so many times as fast: measurements that go on for seconds are over soon. */
export function hasten(times: number): void {
  const now = performance.now.bind(performance)
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => times * now())
  onTestFinished(() => clock.mockRestore())
}

/** Random numbers that make each retry back off for the longest possible time. */
export const longestWaits: Random = () => 1 - Number.EPSILON

/** A clock that is moved by the test and records all sleeps. */
export class HandClock extends VirtualClock {
  /** Duration of each sleep, ms. */
  readonly slept: number[] = []
  #waiting: (() => void)[] = []

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms)
    for (const check of this.#waiting.splice(0)) check()
    return super.sleep(ms, signal)
  }

  advance(ms: number): void {
    const untilMs = this.nowMs() + ms
    while (this.step(untilMs));
  }

  /** Advances the time by `ms`; work that becomes due runs before the time moves on. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs() + ms
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.step(untilMs))
  }

  /** Resolves once a sleep of exactly `ms` has started. */
  async asleepFor(ms: number): Promise<void> {
    while (!this.slept.includes(ms))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
