import type { TaskStage } from '../kernel/stages.ts'

/** Adds up how long a chunk is in each stage. */
export class StageClock {
  readonly times: Partial<Record<TaskStage, number>> = {}
  readonly #elapsedMs: () => number
  readonly #startMs: number

  /** @param elapsedMs a clock that never goes back */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs
    this.#startMs = elapsedMs()
  }

  /** Time since the chunk arrived, ms. */
  get durationMs(): number {
    return this.#elapsedMs() - this.#startMs
  }

  /** Times some work as part of a stage. Returns the result of the work. */
  time<R>(stage: TaskStage, work: () => R): R {
    const startMs = this.#elapsedMs()
    const result = work()
    this.add(stage, this.#elapsedMs() - startMs)
    return result
  }

  /** Adds time to a stage. */
  add(stage: TaskStage, ms: number): void {
    this.times[stage] = (this.times[stage] ?? 0) + ms
  }
}
