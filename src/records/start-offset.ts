import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import type { Assignment, JoinOptions, MemberHandlers, PartitionOffsets, Start } from './port.ts'

// Where a group begins to read a partition.

/**
 * Returns the committed offset, or without one the requested end of the log. A partition that was
 * added after the group was created starts at its low offset.
 *
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: the committed offset is not in the log
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
          ? "the topic was deleted and created again, or the offset was set by hand: use another group, or reset the group's offset to one within the log"
          : "records expired before they were read: reset the group's offset to one within the log (the results of the expired records are lost)",
    },
  )
}

/**
 * Returns the offset from which a handler may want to read if that can be told without looking up a
 * record's timestamp, else `null`.
 */
export function plainLookBack(start: Start, lookBackMs: number): number | null {
  if (lookBackMs === Number.POSITIVE_INFINITY) return start.lowOffset
  return lookBackMs === 0 || start.nextOffset === start.lowOffset ? start.nextOffset : null
}

/**
 * Returns the earliest timestamp that is at most `lookBackMs` before another one; `null`: there is
 * no other one, or the result is before 1970.
 */
export function lookBackSince(timestampMs: number | null, lookBackMs: number): number | null {
  if (timestampMs === null) return null
  const sinceMs = Math.min(timestampMs, Number.MAX_SAFE_INTEGER) - lookBackMs
  return sinceMs < 0 ? null : sinceMs
}

/** Returns what the handler's {@link MemberHandlers.lookBackMs} returns, or its default. */
export function lookBackMsOf(handlers: MemberHandlers, start: Start): number {
  return handlers.lookBackMs?.(start) ?? Number.POSITIVE_INFINITY
}

/**
 * Returns the offset from which a handler wants to read.
 * @throws TidemarkError `INVARIANT`: the handler must not choose this offset
 */
export function chosenStart(assignment: Assignment, chosen: number): number {
  const { topic, partition, lowOffset, nextOffset } = assignment
  if (Number.isInteger(chosen) && lowOffset <= chosen && chosen <= nextOffset) return chosen
  throw new TidemarkError(
    'INVARIANT',
    `the handler chose to start reading at offset ${chosen}, which is not within ${lowOffset} to ${nextOffset}`,
    { where: position(topic, partition, nextOffset) },
  )
}
