import type { Clock } from '../../src/kernel/clock.ts'

/** A clock that only sleeping moves; whoever sleeps is awake at once. */
export function sleeplessClock(): Clock {
  let nowMs = 1_000
  return {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += Math.max(ms, 0)
    },
  }
}

/** A clock that moves when told. */
export class HandClock implements Clock {
  /** How long was slept, sleep by sleep. */
  readonly slept: number[] = []
  #nowMs: number
  readonly #sleepers = new Set<{ untilMs: number; wake: () => void }>()
  #waiting: (() => void)[] = []

  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  elapsedMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms)
    for (const check of this.#waiting.splice(0)) check()
    if (signal?.aborted || ms <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { untilMs: this.#nowMs + ms, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  advance(ms: number): void {
    this.#nowMs += ms
    for (const { untilMs, wake } of [...this.#sleepers]) if (untilMs <= this.#nowMs) wake()
  }

  /** Resolves when somebody has slept, or begun to, for so long. */
  async asleepFor(ms: number): Promise<void> {
    while (!this.slept.includes(ms))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
