import type { Random } from '../../src/kernel/backoff.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A clock that only sleeping moves; whoever sleeps is awake at once. */
export function sleeplessClock(): Clock {
  let nowMs = 1_000
  return {
    nowMs: () => nowMs,
    present: () => ({ earliestMs: nowMs, latestMs: nowMs }),
    elapsedMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += Math.max(ms, 0)
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

/** Has whatever is tried again wait for as long as it can. */
export const longestWaits: Random = () => 1 - Number.EPSILON

/** A clock that moves when told, and remembers who slept. */
export class HandClock extends VirtualClock {
  /** How long was slept, sleep by sleep. */
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

  /** Lets so much time pass; whoever wakes meanwhile goes on before it passes further. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs() + ms
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.step(untilMs))
  }

  /** Resolves when somebody has slept, or begun to, for so long. */
  async asleepFor(ms: number): Promise<void> {
    while (!this.slept.includes(ms))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
