import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { TopicPartition } from './port.ts'

/** What a group has committed for a partition. */
export interface Committed {
  readonly nextOffset: number
  readonly metadata: string
}

/** Where a group stands in a partition, and how far the partition reaches. */
export interface Standing extends TopicPartition {
  /** `null` when nothing was committed. */
  readonly committed: Committed | null
  readonly lowOffset: number
  /** End of what a reader of committed records sees. */
  readonly endOffset: number
}

/** The end of the log at which a partition without a committed offset begins. */
export type StartAt = 'start' | 'end'

/**
 * Where a group begins to read: at the committed offset, else at the given end of the log.
 *
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: what was committed is not in the log
 */
export function startOf(standing: Standing, group: string, otherwise: StartAt): Committed {
  const { topic, partition, committed, lowOffset, endOffset } = standing
  if (committed === null) {
    return { nextOffset: otherwise === 'start' ? lowOffset : endOffset, metadata: '' }
  }
  const { nextOffset } = committed
  if (lowOffset <= nextOffset && nextOffset <= endOffset) return committed
  throw new TidemarkError(
    'OFFSET_OUT_OF_RANGE',
    `group "${group}" committed offset ${nextOffset}, but the log holds ${lowOffset} to ${endOffset}`,
    {
      where: position(topic, partition, nextOffset),
      hint:
        nextOffset > endOffset
          ? "the topic was made anew or the offset was set by hand: use another group, or set the group's offset into the log"
          : "records expired before they were read: set the group's offset into the log (their results are lost)",
    },
  )
}
