import type { StateLimits } from '../engine/state-limits.ts'
import type { Clock } from '../kernel/clock.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Random } from '../kernel/random.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Observer } from './events.ts'
import type { Shadows } from './shadow/shadows.ts'
import type { TopicLimits } from './topic-limits.ts'

/** A record that is set aside, or a window, identified by the record that closed it. */
export interface SetAside {
  readonly partition: number
  readonly offset: number
  /**
   * Its `cause` is what an author's function threw, which may contain a payload: it must not be
   * logged.
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
  /** Partitions of the source topic. */
  readonly partitions: number
  readonly topicLimits: (topic: string) => TopicLimits
  /** Are shown what was scored. @default the worker has none */
  readonly shadows?: Pick<Shadows, 'offer'> | undefined
  /**
   * Called when a dead letter is made, for those of a partition in log order.
   * @default not called
   */
  readonly onSetAside?: ((setAside: SetAside) => void) | undefined
  /** Called when part of a chunk is finished. */
  onFinished(): void
  /** Called when a chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}
