import type { Clock } from '../../kernel/clock.ts'
import { stepsOfKind } from '../../topology/graph.ts'
import type { WorkerContext } from '../context.ts'
import type { Observer } from '../events.ts'
import type { Task } from './task.ts'

/**
 * An abort reason, because without one Node creates an exception, which costs more than all else in
 * a poll.
 */
const OVER = 'over'
/** A source without `idleAfter` that holds a window open for longer is reported, ms. */
const HELD_BACK_MS = 5_000

/**
 * Advances the watermark of an idle partition: once it has been read to its end and no record has
 * come for `idleAfter`, its event time advances with the wall clock, counted from the last record.
 * Steps are made only when they close a window (rule R8). Without `idleAfter` the window that they
 * would close is reported.
 */
export class IdleClock {
  /** Tasks whose windows may close, or wait for a record. */
  readonly #tasks: readonly Task[]
  readonly #clock: Clock
  readonly #observer: Observer
  readonly #advance: (untilMs: ReadonlyMap<Task, number>) => Promise<void>
  /**
   * One for each idle period, because listeners on a signal that lives as long as the partition
   * would accumulate (those of `AbortSignal.any` do).
   */
  #silence = new AbortController()
  #isStopped = false
  #lastRecordMs: number
  /** Tasks whose windows are held open. */
  readonly #heldBack = new Set<Task>()

  /** @param advance called with the new watermark of each task */
  constructor(
    tasks: readonly Task[],
    { clock, observer }: Pick<WorkerContext, 'clock' | 'observer'>,
    advance: (untilMs: ReadonlyMap<Task, number>) => Promise<void>,
  ) {
    this.#tasks = tasks.filter((task) => idleAfterMs(task) !== null || closesWindows(task))
    this.#clock = clock
    this.#observer = observer
    this.#advance = advance
    this.#lastRecordMs = clock.elapsedMs()
  }

  /** Called when records have arrived. */
  came(): void {
    this.#lastRecordMs = this.#clock.elapsedMs()
    this.#silence.abort(OVER)
    for (const task of this.#heldBack) this.#report(task, null)
    this.#heldBack.clear()
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
      const dueMs = Math.min(...this.#tasks.map((task) => this.#dueIn(task)))
      if (dueMs === Number.POSITIVE_INFINITY) return
      await this.#clock.sleep(lastMs + dueMs - this.#clock.elapsedMs(), signal)
      if (signal.aborted) return
      // Event times are whole milliseconds, and a fraction would be kept in the commit metadata.
      const elapsedMs = Math.floor(this.#clock.elapsedMs() - lastMs)
      const due = this.#tasks.filter((task) => this.#dueIn(task) <= elapsedMs)
      for (const task of due) if (idleAfterMs(task) === null) this.#holdBack(task)
      const until = due
        .filter((task) => !this.#heldBack.has(task))
        .map((task) => [task, task.logWatermarkMs + elapsedMs] as const)
      if (until.length > 0) await this.#advance(new Map(until))
    }
  }

  /**
   * How long after the last record the next window of a task closes, or without `idleAfter` is
   * reported; +Infinity: none is open, or that is done.
   */
  #dueIn(task: Task): number {
    if (this.#heldBack.has(task)) return Number.POSITIVE_INFINITY
    return Math.max(idleAfterMs(task) ?? HELD_BACK_MS, task.nextEndMs - task.logWatermarkMs)
  }

  #holdBack(task: Task): void {
    this.#heldBack.add(task)
    this.#report(task, 'windows have ended, no record comes, and the source has no idleAfter')
  }

  #report({ labels }: Task, reason: string | null): void {
    this.#observer({ type: 'trouble', kind: 'idle', ...labels, reason })
  }
}

function idleAfterMs({ topology }: Task): number | null {
  return topology.definition.source.watermark.idleAfterMs
}

function closesWindows({ topology }: Task): boolean {
  return stepsOfKind(topology.definition.then, 'tumbling').length > 0
}
