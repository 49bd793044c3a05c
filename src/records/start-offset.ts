import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { Assignment, JoinOptions, MemberHandlers, PartitionOffsets, Start } from './port.ts'

// Where a group begins to read a partition.

/**
 * At the committed offset, else at the given end of the log; a partition that was added after the
 * group had begun, at its start.
 *
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: what was committed is not in the log
 */
export function startOf(
  { topic, partition, committed, lowOffset, endOffset }: PartitionOffsets,
  { group, from, known }: Pick<JoinOptions, 'group' | 'from' | 'known'>,
): Start {
  const at = { topic, partition, lowOffset }
  if (committed === null) {
    const isNew = partition >= (known?.get(topic) ?? Number.POSITIVE_INFINITY)
    const nextOffset = isNew || from === 'earliest' ? lowOffset : endOffset
    return { ...at, nextOffset, metadata: null }
  }
  const { nextOffset, metadata } = committed
  if (lowOffset <= nextOffset && nextOffset <= endOffset) return { ...at, nextOffset, metadata }
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

/**
 * How far back a handler may want to read, where no record's timestamp has to be looked up to tell;
 * else `null`.
 */
export function plainLookBack(start: Start, lookBackMs: number): number | null {
  if (lookBackMs === Number.POSITIVE_INFINITY) return start.lowOffset
  return lookBackMs === 0 || start.nextOffset === start.lowOffset ? start.nextOffset : null
}

/**
 * From which timestamp on records are not older than so long before another; `null`: it has none,
 * or that was before 1970.
 */
export function lookBackSince(timestampMs: number | null, lookBackMs: number): number | null {
  if (timestampMs === null) return null
  const sinceMs = Math.min(timestampMs, Number.MAX_SAFE_INTEGER) - lookBackMs
  return sinceMs < 0 ? null : sinceMs
}

/** What a handler answers to {@link MemberHandlers.lookBackMs}. */
export function lookBackMsOf(handlers: MemberHandlers, start: Start): number {
  return handlers.lookBackMs?.(start) ?? Number.POSITIVE_INFINITY
}

/**
 * The offset from which a handler wants to read, as it was given. @throws TidemarkError
 * `INVARIANT`: none that it may choose
 */
export function chosenStart(assignment: Assignment, chosen: number): number {
  const { topic, partition, lowOffset, nextOffset } = assignment
  if (Number.isInteger(chosen) && lowOffset <= chosen && chosen <= nextOffset) return chosen
  throw new TidemarkError(
    'INVARIANT',
    `reading was to begin at ${chosen}, which is not within ${lowOffset} to ${nextOffset}`,
    { where: position(topic, partition, nextOffset) },
  )
}
