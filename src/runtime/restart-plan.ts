import { keepsState } from '../engine/horizon.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Assignment, Start } from '../records/port.ts'
import type { PreparedTopology } from './prepare.ts'
import {
  type ReplayPoint,
  type RestartNote,
  type TopologyNote,
  unpackNote,
} from './restart-note.ts'

// From what stands beside a committed offset to where each topology begins to read. Where nothing
// of its windows stands there they are rebuilt from the log, never begun empty as if nothing had
// been (rule S1).

/** How a task comes to the windows it had. */
export interface RestartPlan {
  /** The first record it must see again. */
  readonly from: ReplayPoint
  /** How far idleness had moved the watermark at the committed offset. */
  readonly idleMs: number
  /** Why it reads more than it would have to; `null` when it does not. */
  readonly reason: string | null
  /**
   * Watermark from which on its windows hold all that they should, ms since the epoch; −Infinity:
   * from the beginning. `null`: records before the first one are left out, and the first event will
   * tell.
   */
  readonly wholeFromMs: number | null
}

/**
 * What the last commit left; `null`: nothing, nothing that is understood, or what belongs to
 * another offset.
 */
export function noteOf({ metadata, nextOffset }: Start): RestartNote | null {
  const note = metadata === null ? null : unpackNote(metadata)
  if (note === null) return null
  // Who moves an offset may leave beside it what stood there.
  const last = note.lastRecord?.offset ?? -1
  const points = [...note.topologies.values()].map(({ from }) => from.offset)
  return last < nextOffset && points.every((offset) => offset <= nextOffset) ? note : null
}

/**
 * @throws TidemarkError `TOPIC_CHANGED`: the topic has other partitions than it was committed under
 */
export function checkPartitions(topic: string, committed: number, now: number): void {
  if (committed === now) return
  throw new TidemarkError(
    'TOPIC_CHANGED',
    `topic "${topic}" has ${now} partitions; it had ${committed} when this group committed`,
    {
      where: topic,
      hint:
        "keys have moved between partitions, and a key's windows would begin anew in the middle of its events: " +
        'let another group read the topic (--group), from its start or its end (--from); see docs/restart.md, "More partitions"',
    },
  )
}

/**
 * Does the partition hold windows of a topology that must be made from the log, since nothing
 * beside the offset tells of them?
 */
export function mustRebuild(topology: PreparedTopology, note: RestartNote | null): boolean {
  return keepsState(topology.definition) && ownNote(topology, note) === null
}

export function planRestart(
  topology: PreparedTopology,
  assignment: Assignment,
  note: RestartNote | null,
): RestartPlan {
  const { nextOffset, lowOffset } = assignment
  if (!keepsState(topology.definition)) {
    const from = at(nextOffset)
    return { from, idleMs: from.idleMs, reason: null, wholeFromMs: Number.NEGATIVE_INFINITY }
  }
  const own = ownNote(topology, note)
  if (own === null) return planRebuild(topology, assignment, note)
  const { from, idleMs, wholeFromMs } = own
  if (from.offset >= lowOffset) return { from, idleMs, reason: null, wholeFromMs }
  const reason = `records ${from.offset} to ${lowOffset - 1}, which its windows need, are no longer in the log`
  return { from: { ...from, offset: lowOffset }, idleMs, reason, wholeFromMs: null }
}

function planRebuild(
  { definition: { name } }: PreparedTopology,
  { metadata, lookBackOffset }: Assignment,
  note: RestartNote | null,
): RestartPlan {
  const known = note?.topologies.get(name)
  return {
    from: at(lookBackOffset),
    idleMs: known?.idleMs ?? Number.NEGATIVE_INFINITY,
    reason:
      known !== undefined
        ? 'its windows are defined anew'
        : note !== null
          ? 'the group has not run this topology before'
          : metadata === null
            ? 'the group has committed nothing'
            : 'the committed offset says nothing of windows: it was set by hand, or by another consumer',
    // Where the log does not begin with the topic's first record, windows may have held what was
    // before.
    wholeFromMs: lookBackOffset === 0 ? Number.NEGATIVE_INFINITY : null,
  }
}

/** What a note says of a topology whose windows are still defined as they were then. */
function ownNote(
  { definition, fingerprint }: PreparedTopology,
  note: RestartNote | null,
): TopologyNote | null {
  const known = note?.topologies.get(definition.name)
  return known?.fingerprint === fingerprint ? known : null
}

function at(offset: number): ReplayPoint {
  return { offset, newestMs: Number.NEGATIVE_INFINITY, idleMs: Number.NEGATIVE_INFINITY }
}
