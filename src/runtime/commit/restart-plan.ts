import type { Assignment } from '../../connect/port.ts'
import { keepsState } from '../../engine/plan.ts'
import type { WatermarkParts } from '../../engine/watermark.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { CheckpointMetadata, ReplayPoint, TopologyCheckpoint } from './checkpoint-metadata.ts'

// Where a topology begins to read again: the points that a task commits, and the plan that the next
// task makes of them. Windows that the committed metadata does not know are rebuilt from the log,
// rather than started empty as if there had been none (rule S1).

/** Number of points in the span of a replay: it is longer than necessary by at most 1/64. */
const PARTS = 64

/**
 * A sparse index of a task's past: offsets with the newest event time before each. Only the newest
 * point is kept of those before which no event can be in a window any more (rule R4: newest event
 * time + horizon ≤ watermark).
 */
export class ReplayPoints {
  readonly #horizonMs: number
  readonly #apartMs: number
  readonly #points: ReplayPoint[]

  constructor({ horizonMs, lagMs }: { horizonMs: number; lagMs: number }, first: ReplayPoint) {
    this.#horizonMs = horizonMs
    // A replay spans the horizon, and how far the watermark is behind the newest event.
    this.#apartMs = (horizonMs + lagMs) / PARTS
    this.#points = [first]
  }

  /** Called for each chunk with records, before it is processed. */
  add(offset: number, parts: WatermarkParts): void {
    const { newestMs } = this.#points.at(-1) as ReplayPoint
    // From −Infinity, every time is far away.
    if (parts.newestMs - newestMs < this.#apartMs || parts.newestMs === newestMs) return
    this.#points.push({ offset, ...parts })
  }

  /** The point where a replay must begin to restore the windows as they are at a watermark. */
  at(watermarkMs: number): ReplayPoint {
    for (;;) {
      const next = this.#points[1]
      if (next === undefined || next.newestMs + this.#horizonMs > watermarkMs) break
      this.#points.shift()
    }
    return this.#points[0] as ReplayPoint
  }
}

/** How a task restores its windows: from where, and with which committed times. */
export interface RestartPlan extends Omit<TopologyCheckpoint, 'fingerprint'> {
  /** Why it reads more than necessary; `null`: it does not. */
  readonly reason: string | null
}

type Restarted = Pick<PreparedTopology, 'definition' | 'fingerprint'>

/** Whether its windows must be rebuilt from the log, because the metadata does not have them. */
export function mustRebuild(topology: Restarted, metadata: CheckpointMetadata | null): boolean {
  return keepsState(topology.definition) && checkpointOf(topology, metadata) === null
}

export function planRestart(
  topology: Restarted,
  assignment: Assignment,
  metadata: CheckpointMetadata | null,
): RestartPlan {
  const { nextOffset, lowOffset } = assignment
  if (!keepsState(topology.definition)) {
    const from = at(nextOffset)
    return { from, idleMs: from.idleMs, reason: null, wholeFromMs: Number.NEGATIVE_INFINITY }
  }
  const checkpoint = checkpointOf(topology, metadata)
  if (checkpoint === null) return planRebuild(topology, assignment, metadata)
  const { from, idleMs, wholeFromMs } = checkpoint
  if (from.offset >= lowOffset) return { from, idleMs, reason: null, wholeFromMs }
  const reason = `records ${from.offset} to ${lowOffset - 1}, which its windows need, are no longer in the log`
  return { from: { ...from, offset: lowOffset }, idleMs, reason, wholeFromMs: null }
}

function planRebuild(
  { definition: { name } }: Restarted,
  assignment: Assignment,
  metadata: CheckpointMetadata | null,
): RestartPlan {
  const { lookBackOffset } = assignment
  const checkpoint = metadata?.topologies.get(name)
  return {
    from: at(lookBackOffset),
    idleMs: checkpoint?.idleMs ?? Number.NEGATIVE_INFINITY,
    reason:
      checkpoint !== undefined
        ? 'the definition of its windows has changed'
        : metadata !== null && metadata.topologies.size > 0
          ? 'the group has not run this topology before'
          : assignment.metadata === null
            ? 'the group has committed nothing'
            : 'the committed offset has no usable restart note: it was set by hand, or by another consumer',
    // If the log no longer has the topic's first record, windows may have contained more.
    wholeFromMs: lookBackOffset === 0 ? Number.NEGATIVE_INFINITY : null,
  }
}

/** The checkpoint of a topology whose windows are still defined as they were then. */
function checkpointOf({ definition, fingerprint }: Restarted, metadata: CheckpointMetadata | null) {
  const checkpoint = metadata?.topologies.get(definition.name)
  return checkpoint?.fingerprint === fingerprint ? checkpoint : null
}

function at(offset: number): ReplayPoint {
  return { offset, newestMs: Number.NEGATIVE_INFINITY, idleMs: Number.NEGATIVE_INFINITY }
}

/** @throws TidemarkError `TOPIC_CHANGED`: the number of partitions is not the committed one */
export function checkPartitions(topic: string, committed: number, now: number): void {
  if (committed === now) return
  const message = `topic "${topic}" has ${now} partitions; it had ${committed} when this group committed`
  const hint =
    "keys have moved between partitions, and a key's windows would start empty in the middle of its events: " +
    'go on with another group: tidemark offsets copy FILE --to-group G; see docs/restart.md, "More partitions"'
  throw new TidemarkError('TOPIC_CHANGED', message, { where: topic, hint })
}
