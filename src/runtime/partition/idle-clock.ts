import type { Clock } from '../../kernel/clock.ts'
import type { Task } from './task.ts'

/**
 * An abort reason, because without one Node creates an exception, which costs more than all else in
 * a poll.
 */
const OVER = 'over'

/**
 * Advances the watermark of an idle partition: once it has been read to its end and no record has
 * come for `idleAfter`, its event time advances with the wall clock, counted from the last record.
 * Steps are made only when they close a window (rule R8).
 */
export class IdleClock {
  /** Tasks with `idleAfter`. */
  readonly #tasks: readonly Task[]
  readonly #clock: Clock
  readonly #advance: (untilMs: ReadonlyMap<Task, number>) => Promise<void>
  /**
   * One for each idle period, because listeners on a signal that lives as long as the partition
   * would accumulate (those of `AbortSignal.any` do).
   */
  #silence = new AbortController()
  #isStopped = false
  #lastRecordMs: number

  /** @param advance called with the new watermark of each task */
  constructor(
    tasks: readonly Task[],
    clock: Clock,
    advance: (untilMs: ReadonlyMap<Task, number>) => Promise<void>,
  ) {
    this.#tasks = tasks.filter((task) => idleAfterMs(task) !== null)
    this.#clock = clock
    this.#advance = advance
    this.#lastRecordMs = clock.elapsedMs()
  }

  /** Called when records have arrived. */
  came(): void {
    this.#lastRecordMs = this.#clock.elapsedMs()
    this.#silence.abort(OVER)
  }

  /** Called when the partition was read to its end. */
  caughtUp(): void {
    this.#silence.abort(OVER)
    if (this.#isStopped || this.#tasks.length === 0) return
    this.#silence = new AbortController()
    void this.#wait(this.#silence.signal)
  }

  stop(): void {
    this.#isStopped = true
    this.#silence.abort(OVER)
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const lastMs = this.#lastRecordMs
    // A chunk that closes many windows takes several turns; only then it is known which windows are
    // open.
    await Promise.all(this.#tasks.map((task) => task.entered()))
    if (signal.aborted) return
    for (;;) {
      const dueMs = Math.min(...this.#tasks.map(dueIn))
      if (dueMs === Number.POSITIVE_INFINITY) return
      await this.#clock.sleep(lastMs + dueMs - this.#clock.elapsedMs(), signal)
      if (signal.aborted) return
      // Event times are whole milliseconds, and a fraction would be kept in the commit metadata.
      const elapsedMs = Math.floor(this.#clock.elapsedMs() - lastMs)
      const due = this.#tasks.filter((task) => dueIn(task) <= elapsedMs)
      if (due.length === 0) continue
      const until = due.map((task) => [task, task.logWatermarkMs + elapsedMs] as const)
      await this.#advance(new Map(until))
    }
  }
}

/** How long after the last record the next window of a task closes; +Infinity: none is open. */
function dueIn(task: Task): number {
  return Math.max(idleAfterMs(task) ?? 0, task.nextEndMs - task.logWatermarkMs)
}

function idleAfterMs({ topology }: Task): number | null {
  return topology.definition.source.watermark.idleAfterMs
}
