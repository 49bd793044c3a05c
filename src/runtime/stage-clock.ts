import type { TaskStage } from '../kernel/stages.ts'

/** Sums up how long a chunk is in each stage. */
export class StageClock {
  readonly times: Partial<Record<TaskStage, number>> = {}
  readonly #elapsedMs: () => number
  readonly #startMs: number

  /** @param elapsedMs a clock that never goes back */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs
    this.#startMs = elapsedMs()
  }

  /** Since the chunk has come. */
  get durationMs(): number {
    return this.#elapsedMs() - this.#startMs
  }

  /** What some work gives, which is a part of a stage. */
  time<R>(stage: TaskStage, work: () => R): R {
    const startMs = this.#elapsedMs()
    const result = work()
    this.add(stage, this.#elapsedMs() - startMs)
    return result
  }

  add(stage: TaskStage, ms: number): void {
    this.times[stage] = (this.times[stage] ?? 0) + ms
  }
}
