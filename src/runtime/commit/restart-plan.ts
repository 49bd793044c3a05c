import { keepsState } from '../../engine/plan.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Assignment, Start } from '../../records/port.ts'
import type { PreparedTopology } from '../prepare.ts'
import {
  type ReplayPoint,
  type RestartNote,
  type TopologyNote,
  unpackNote,
} from './checkpoint-metadata.ts'

// From the metadata of a committed offset to where each topology begins to read. Where it has no
// note of a topology's windows, they are rebuilt from the log, rather than started empty as if
// there had been none (rule S1).

/** How a task restores the windows it had. */
export interface RestartPlan {
  /** The first record it must see again. */
  readonly from: ReplayPoint
  /**
   * How far idleness had advanced the watermark at the committed offset, ms since the epoch;
   * −Infinity: it had not.
   */
  readonly idleMs: number
  /** Why it reads more than necessary; `null`: it does not. */
  readonly reason: string | null
  /**
   * The watermark from which its windows are complete, ms since the epoch; −Infinity: from the
   * beginning. `null`: records before the first one are not read, and the first event decides.
   */
  readonly wholeFromMs: number | null
}

/**
 * The note that the last commit left; `null`: there is none, it cannot be decoded, or it belongs to
 * another offset.
 */
export function noteOf({ metadata, nextOffset }: Start): RestartNote | null {
  const note = metadata === null ? null : unpackNote(metadata)
  if (note === null) return null
  // A tool that moves an offset may leave the old metadata in place.
  const last = note.lastRecord?.offset ?? -1
  const points = [...note.topologies.values()].map(({ from }) => from.offset)
  return last < nextOffset && points.every((offset) => offset <= nextOffset) ? note : null
}

/**
 * @throws TidemarkError `TOPIC_CHANGED`: the number of partitions has changed since it was
 * committed
 */
export function checkPartitions(topic: string, committed: number, now: number): void {
  if (committed === now) return
  throw new TidemarkError(
    'TOPIC_CHANGED',
    `topic "${topic}" has ${now} partitions; it had ${committed} when this group committed`,
    {
      where: topic,
      hint:
        "keys have moved between partitions, and a key's windows would start empty in the middle of its events: " +
        'read the topic with another group (--group), from its start or its end (--from); see docs/restart.md, "More partitions"',
    },
  )
}

/**
 * Must windows of the topology be rebuilt from the log, because the commit metadata has no note of
 * them?
 */
export function mustRebuild(topology: PreparedTopology, note: RestartNote | null): boolean {
  return keepsState(topology.definition) && ownNote(topology, note) === null
}

/** Decides where a topology begins to read a partition. */
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
        ? 'the definition of its windows has changed'
        : note !== null
          ? 'the group has not run this topology before'
          : metadata === null
            ? 'the group has committed nothing'
            : 'the committed offset has no usable restart note: it was set by hand, or by another consumer',
    // If the log no longer has the topic's first record, windows may have contained what was
    // before.
    wholeFromMs: lookBackOffset === 0 ? Number.NEGATIVE_INFINITY : null,
  }
}

/** The note of a topology whose windows are still defined as they were then. */
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
