import type { StateLimits } from '../engine/state-limits.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Observer } from './events.ts'
import type { TopicLimits } from './topic-limits.ts'

/** What a task needs of the worker around it. */
export interface TaskSurroundings {
  readonly clock: Clock
  /** Shared by all tasks of the worker. */
  readonly slices: Slices
  readonly observer: Observer
  readonly limits: StateLimits
  /** Of the source. */
  readonly partitions: number
  readonly topicLimits: (topic: string) => TopicLimits
  /** Some of a chunk is finished. */
  onFinished(): void
  /** A chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}
