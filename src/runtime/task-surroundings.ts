import type { StateLimits } from '../engine/state-limits.ts'
import type { Random } from '../kernel/backoff.ts'
import type { Clock } from '../kernel/clock.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Observer } from './events.ts'
import type { TopicLimits } from './topic-limits.ts'

/** A record that is set aside, or a window by the record that closed it. */
export interface SetAside {
  readonly partition: number
  readonly offset: number
  /**
   * Its `cause` is what an author's function threw, which may repeat a payload: nothing for a log.
   */
  readonly error: TidemarkError
}

/** What a task needs of the worker around it. */
export interface TaskSurroundings {
  readonly clock: Clock
  readonly random: Random
  /** Shared by all tasks of the worker. */
  readonly slices: Slices
  readonly observer: Observer
  readonly limits: StateLimits
  /** Of the source. */
  readonly partitions: number
  readonly topicLimits: (topic: string) => TopicLimits
  /** A dead letter is made; those of a partition are told in its order. @default nobody is told */
  readonly onSetAside?: ((setAside: SetAside) => void) | undefined
  /** Some of a chunk is finished. */
  onFinished(): void
  /** A chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}
