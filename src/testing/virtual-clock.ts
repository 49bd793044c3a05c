import type { Clock, Present } from '../kernel/clock.ts'

interface Timer {
  readonly untilMs: number
  work(): void
}

/** A clock that moves only when told to. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #nowMs: number

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
        cancel()
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const cancel = this.after(ms, wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  after(ms: number, work: () => void): () => void {
    const timer = { untilMs: this.#nowMs + ms, work }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /**
   * Moves to the time of the next sleeper or timer, but not beyond `untilMs`.
   * @returns whether a timer or sleeper was due
   */
  step(untilMs: number): boolean {
    const timers = [...this.#timers]
    this.#nowMs = Math.max(this.#nowMs, Math.min(untilMs, ...timers.map((t) => t.untilMs)))
    const due = timers.filter((t) => t.untilMs <= this.#nowMs)
    // One timer may cancel another.
    for (const timer of due) if (this.#timers.delete(timer)) timer.work()
    return due.length > 0
  }
}
