import type { StateLimits } from '../../engine/store/state-limits.ts'
import type { WorkerContext } from '../context.ts'
import type { Stores } from '../tables/stores.ts'
import type { RecordFault } from './dead-letter.ts'
import type { OutputContext } from './outputs.ts'
import type { Shadows } from './shadow/shadows.ts'

/** The worker around a task. */
export interface TaskContext
  extends WorkerContext,
    Pick<OutputContext, 'topicLimits' | 'sinks' | 'checkOutput'> {
  readonly limits: StateLimits
  /** Partitions of the source topic. */
  readonly partitions: number
  /** Are shown what was scored. @default the worker has none */
  readonly shadows?: Pick<Shadows, 'offer'> | undefined
  /** @default the worker has none */
  readonly stores?: Stores | undefined
  /**
   * Called when a dead letter is made, for those of a partition in log order. The `cause` of its
   * error is what an author's function threw, which may contain a payload: it must not be logged.
   * @default not called
   */
  readonly onDeadLetter?: ((fault: RecordFault, partition: number) => void) | undefined
  /** Called when part of a chunk is finished. */
  onFinished(): void
  /** Called when a chunk could not be finished; those after it will not be either. */
  onFailed(error: unknown): void
}
