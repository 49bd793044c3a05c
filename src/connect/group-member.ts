import { configFault, TidemarkError } from '../kernel/errors.ts'
import { partitionName, position } from '../kernel/ids.ts'
import type { LifecycleTable } from '../kernel/lifecycle.ts'
import { someOf } from '../kernel/wording.ts'
import type { Assignment, JoinOptions, LogPoint, Owners, PartitionOffsets, Start } from './port.ts'

/**
 * The committed offset, or without one the requested start. A partition that was added
 * after the group was created starts at its low offset.
 * @throws TidemarkError `OFFSET_OUT_OF_RANGE`: that offset is not in the log
 */
export function groupStart(
  { topic, partition, committed, lowOffset, endOffset }: PartitionOffsets,
  { group, from, starts, known: counts }: Pick<JoinOptions, 'group' | 'from' | 'starts' | 'known'>,
): Start {
  const isNew = partition >= (counts?.get(topic) ?? Number.POSITIVE_INFINITY)
  const first =
    starts?.get(partitionName({ topic, partition })) ??
    (isNew || from === 'earliest' ? lowOffset : endOffset)
  const { nextOffset, metadata } = committed ?? { nextOffset: first, metadata: null }
  if (lowOffset <= nextOffset && nextOffset <= endOffset) {
    return { topic, partition, lowOffset, nextOffset, metadata }
  }
  const is = committed === null ? 'begins at' : 'committed'
  const message = `group "${group}" ${is} offset ${nextOffset}, but the log holds ${lowOffset} to ${endOffset}`
  const where = position(topic, partition, nextOffset)
  const hint =
    nextOffset > endOffset
      ? 'the topic was deleted and created again, or the offset was set by hand: use another group, or set the offset: tidemark offsets reset FILE --to PLACE'
      : 'records expired before they were read, and their results are lost: tidemark offsets reset FILE --to earliest'
  throw new TidemarkError('OFFSET_OUT_OF_RANGE', message, { where, hint })
}

/** The first offset in the log that a group has not read yet. */
export function firstUnread(offsets: Pick<PartitionOffsets, 'committed' | 'lowOffset'>): number {
  const { committed, lowOffset } = offsets
  return Math.max(lowOffset, committed?.nextOffset ?? lowOffset)
}

/**
 * The offset of a point in a partition, within its log as it is now.
 * @param since the offsets since the time of the point, by partition name
 */
export function offsetAt(
  point: LogPoint,
  offsets: Omit<PartitionOffsets, 'committed'>,
  since: ReadonlyMap<string, number>,
): number {
  const { lowOffset, endOffset } = offsets
  if (point === 'earliest') return lowOffset
  if (point === 'latest') return endOffset
  const offset = 'offset' in point ? point.offset : (since.get(partitionName(offsets)) ?? -1)
  return offset < 0 ? endOffset : Math.min(Math.max(offset, lowOffset), endOffset)
}

/** Where a handler may want to read; `null`: the timestamp of a record has to be looked up. */
export function plainLookBack(start: Start, lookBackMs: number): number | null {
  if (lookBackMs === Number.POSITIVE_INFINITY) return start.lowOffset
  return lookBackMs === 0 || start.nextOffset === start.lowOffset ? start.nextOffset : null
}

/** The earliest timestamp at most `lookBackMs` before another; `null`: none, or before 1970. */
export function lookBackSince(timestampMs: number | null, lookBackMs: number): number | null {
  if (timestampMs === null) return null
  const sinceMs = Math.min(timestampMs, Number.MAX_SAFE_INTEGER) - lookBackMs
  return sinceMs < 0 ? null : sinceMs
}

export function lookBackMsOf({ handlers }: JoinOptions, start: Start): number {
  return handlers.lookBackMs?.(start) ?? Number.POSITIVE_INFINITY
}

/** @throws TidemarkError `INVARIANT`: the handler must not choose this offset */
export function chosenStart(assignment: Assignment, chosen: number): number {
  const { topic, partition, lowOffset, nextOffset } = assignment
  if (Number.isInteger(chosen) && lowOffset <= chosen && chosen <= nextOffset) return chosen
  const message = `the handler chose to start reading at offset ${chosen}, which is not within ${lowOffset} to ${nextOffset}`
  const where = position(topic, partition, nextOffset)
  throw new TidemarkError('INVARIANT', message, { where })
}

const MOST_ADDRESS_BYTES = 255

/** @throws TidemarkError `CONFIG_INVALID`: the address is empty or too long */
export function addressOf({ advertise }: Pick<JoinOptions, 'advertise'>): string | null {
  if (advertise === undefined) return null
  const bytes = Buffer.byteLength(advertise)
  if (bytes > 0 && bytes <= MOST_ADDRESS_BYTES) return advertise
  const message = `the address to advertise takes ${bytes} bytes: "${advertise}"`
  const hint = `other members need 1 to ${MOST_ADDRESS_BYTES} bytes, such as host:port`
  throw configFault(message, undefined, hint)
}

export const NO_OWNERS: Owners = new Map()

export type MemberState = 'joining' | 'joined' | 'finishing' | 'left'

export const MEMBER: LifecycleTable<MemberState> = {
  first: 'joining',
  next: {
    joining: {
      joined: 'its first partitions are handed over',
      left: 'it cannot join, or was told to leave',
    },
    joined: {
      finishing: 'it fetches nothing more',
      left: 'it was told to leave, or cannot continue',
    },
    finishing: { left: 'what was taken is committed, or cannot be' },
    left: {},
  },
}

/** @param members their names, if they are known */
export function groupActive(group: string, members: readonly string[] = []): TidemarkError {
  const names = members.length === 0 ? '' : `: ${someOf(members)}`
  const hint = 'stop all of its workers first; nothing has changed'
  return new TidemarkError('GROUP_ACTIVE', `the group has members${names}`, { where: group, hint })
}
