import type { Clock, Present } from '../kernel/clock.ts'

interface Sleeper {
  readonly untilMs: number
  wake(): void
}

/** A clock that stands still until it is moved. */
export class VirtualClock implements Clock {
  readonly #sleepers = new Set<Sleeper>()
  #nowMs: number

  /** @param startMs since the epoch */
  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  present(): Present {
    return { earliestMs: this.#nowMs, latestMs: this.#nowMs }
  }

  elapsedMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
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

  /** Moves to where the next sleeper wakes, but not beyond `untilMs`. @returns whether anybody woke */
  step(untilMs: number): boolean {
    const sleepers = [...this.#sleepers]
    this.#nowMs = Math.max(this.#nowMs, Math.min(untilMs, ...sleepers.map((s) => s.untilMs)))
    const due = sleepers.filter((s) => s.untilMs <= this.#nowMs)
    for (const sleeper of due) sleeper.wake()
    return due.length > 0
  }

  /** Wakes all sleepers though no time has passed: whoever waits for a time looks, and sleeps on. */
  rouse(): void {
    for (const sleeper of [...this.#sleepers]) sleeper.wake()
  }
}
