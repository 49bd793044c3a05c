/**
 * The stages of an event's processing, in order; docs/operations.md describes each. `task`:
 * timed once for each chunk and topology · `worker`: for all topologies together.
 */
export const STAGES = {
  fetch: 'worker',
  decode: 'task',
  windows: 'task',
  wait: 'task',
  score: 'task',
  encode: 'task',
  commit: 'worker',
} as const satisfies Record<string, 'task' | 'worker'>

export type Stage = keyof typeof STAGES
export type TaskStage = { [S in Stage]: (typeof STAGES)[S] extends 'task' ? S : never }[Stage]

/** How long a chunk was in each stage, ms; stages that it did not pass are absent. */
export type StageTimes = Readonly<Partial<Record<TaskStage, number>>>

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
