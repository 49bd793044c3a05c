import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { Assignment, From, Standing } from './port.ts'

// Where a group begins to read a partition.

/**
 * At the committed offset, else at the given end of the log.
 *
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: what was committed is not in the log
 */
export function startOf(
  standing: Standing,
  group: string,
  from: From,
): Pick<Assignment, 'nextOffset' | 'metadata' | 'lowOffset'> {
  const { topic, partition, committed, lowOffset, endOffset } = standing
  if (committed === null) {
    return { nextOffset: from === 'earliest' ? lowOffset : endOffset, metadata: null, lowOffset }
  }
  const { nextOffset, metadata } = committed
  if (lowOffset <= nextOffset && nextOffset <= endOffset) return { nextOffset, metadata, lowOffset }
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

/** The offset from which a handler wants to read, as it was given. @throws TidemarkError `INVARIANT`: none that it may choose */
export function chosenStart(assignment: Assignment, chosen: number): number {
  const { topic, partition, lowOffset, nextOffset } = assignment
  if (Number.isInteger(chosen) && lowOffset <= chosen && chosen <= nextOffset) return chosen
  throw new TidemarkError(
    'INVARIANT',
    `reading was to begin at ${chosen}, which is not within ${lowOffset} to ${nextOffset}`,
    { where: position(topic, partition, nextOffset) },
  )
}
