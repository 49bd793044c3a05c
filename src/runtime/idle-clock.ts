import type { Clock } from '../kernel/clock.ts'
import type { Task } from './task.ts'

/** A task whose topology lets a silent partition's time pass, and after how long a silence. */
interface Waiting {
  readonly task: Task
  readonly idleAfterMs: number
}

/** Making an exception for a reason would cost more than all else that a poll does. */
const OVER = 'over'

/**
 * Moves the watermark of a silent partition: when it has been read to its end and no record has
 * come for `idleAfter`, its event time passes as the wall clock does, counted from the last record.
 * Steps are made only when a window closes by them (rule R8).
 */
export class IdleClock {
  readonly #waiting: readonly Waiting[]
  readonly #clock: Clock
  readonly #pass: (untilMs: ReadonlyMap<Task, number>) => Promise<void>
  /**
   * One for each silence: what waits on a signal that lives as long as the partition adds up
   * (`AbortSignal.any` does).
   */
  #silence = new AbortController()
  #isStopped = false
  #lastRecordMs: number

  /** @param pass is told how far each task's watermark has come */
  constructor(
    waiting: readonly Waiting[],
    clock: Clock,
    pass: (untilMs: ReadonlyMap<Task, number>) => Promise<void>,
  ) {
    this.#waiting = waiting
    this.#clock = clock
    this.#pass = pass
    this.#lastRecordMs = clock.elapsedMs()
  }

  /** Records have come. */
  came(): void {
    this.#lastRecordMs = this.#clock.elapsedMs()
    this.#silence.abort(OVER)
  }

  /** There are no more for now. */
  caughtUp(): void {
    this.#silence.abort(OVER)
    if (this.#isStopped) return
    this.#silence = new AbortController()
    void this.#wait(this.#silence.signal)
  }

  stop(): void {
    this.#isStopped = true
    this.#silence.abort(OVER)
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const lastMs = this.#lastRecordMs
    // A chunk that closes many windows takes several turns; only then is known which are open.
    await Promise.all(this.#waiting.map(({ task }) => task.taken()))
    if (signal.aborted) return
    for (;;) {
      const dueMs = Math.min(...this.#waiting.map(dueIn))
      if (dueMs === Number.POSITIVE_INFINITY) return
      await this.#clock.sleep(lastMs + dueMs - this.#clock.elapsedMs(), signal)
      if (signal.aborted) return
      // Event times are whole, and a fraction would have to be kept beside the offset.
      const elapsedMs = Math.floor(this.#clock.elapsedMs() - lastMs)
      const due = this.#waiting.filter((w) => dueIn(w) <= elapsedMs)
      if (due.length === 0) continue
      const until = due.map(({ task }) => [task, task.logWatermarkMs + elapsedMs] as const)
      await this.#pass(new Map(until))
    }
  }
}

/**
 * How long after the last record the next window of a task closes, ms; +Infinity when none is open.
 */
function dueIn({ task, idleAfterMs }: Waiting): number {
  return Math.max(idleAfterMs, task.nextEndMs - task.logWatermarkMs)
}
