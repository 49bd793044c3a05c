import { TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../records/partition-name.ts'
import type { Assignment } from '../records/port.ts'
import { keepsState } from '../topology/horizon.ts'
import type { PreparedTopology } from './prepare.ts'
import { type ReplayPoint, type RestartNote, unpackNote } from './restart-note.ts'

// From what a commit left beside its offset to where each topology begins to read.

/** How a task comes to the windows it had. */
export interface RestartPlan {
  /** The first record it must see again. */
  readonly from: ReplayPoint
  /** How far idleness had moved the watermark at the committed offset. */
  readonly idleMs: number
  /** Why it reads more than it would have to; `null` when it does not. */
  readonly reason: string | null
  /** Records that its windows need are no longer in the log. */
  readonly isCut: boolean
}

/** What the last commit left; `null`: nothing, or nothing that is understood. */
export function noteOf({ metadata }: Assignment): RestartNote | null {
  return metadata === null ? null : unpackNote(metadata)
}

/** @throws TidemarkError `TOPIC_CHANGED`: the topic has other partitions than it was committed under */
export function checkPartitions(
  { topic, partition }: Pick<Assignment, 'topic' | 'partition'>,
  committed: number,
  now: number,
): void {
  if (committed === now) return
  throw new TidemarkError(
    'TOPIC_CHANGED',
    `topic "${topic}" has ${now} partitions; it had ${committed} when this group committed`,
    {
      where: partitionName({ topic, partition }),
      hint:
        "keys have moved between partitions, and a key's windows would begin anew in the middle of its events: " +
        'let another group read the topic (--group), from its start or its end (--from)',
    },
  )
}

export function planRestart(
  topology: PreparedTopology,
  assignment: Assignment,
  note: RestartNote | null,
): RestartPlan {
  const { nextOffset, lowOffset, metadata } = assignment
  const known = note?.topologies.get(topology.definition.name)
  // A group that has committed nothing begins here: its windows hold what comes from now on.
  if (metadata === null) return whole(at(nextOffset))
  if (!keepsState(topology.definition)) return whole(at(nextOffset))
  if (known === undefined) {
    const what =
      note === null
        ? 'its last commit says nothing of windows'
        : 'the group has not run this topology before'
    return { ...whole(at(lowOffset)), reason: what }
  }
  if (known.fingerprint !== topology.fingerprint) {
    const { idleMs } = known
    return { ...whole(at(lowOffset)), idleMs, reason: 'its windows are defined anew' }
  }
  const { from, idleMs } = known
  if (from.offset >= lowOffset) return { ...whole(from), idleMs }
  const reason = `records ${from.offset} to ${lowOffset - 1}, which its windows need, are no longer in the log`
  return { from: { ...from, offset: lowOffset }, idleMs, reason, isCut: true }
}

function whole(from: ReplayPoint): RestartPlan {
  return { from, idleMs: Number.NEGATIVE_INFINITY, reason: null, isCut: false }
}

function at(offset: number): ReplayPoint {
  return { offset, newestMs: Number.NEGATIVE_INFINITY, idleMs: Number.NEGATIVE_INFINITY }
}
