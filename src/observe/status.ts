import type { Code } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import type { WorkerState } from '../runtime/events.ts'
import { TROUBLES, type Trouble } from '../runtime/troubles.ts'
import { type ObservedPartition, type ObservedWorker, rounded } from './observed-worker.ts'
import type { WatchedTopology } from './observer.ts'

// The answer to GET /status: JSON without keys, payloads, and without the text of any exception,
// which may hold either. Times are ISO 8601, in UTC; `null`: not known, or not yet.

/** The most troubles and partitions that are listed, the worst first; the others are counted. */
export const MOST_LISTED = 50

export type TroubleStatus = ReturnType<typeof troubleStatus>
type Answering = ReturnType<typeof statusOf>

export interface WorkerStatus extends Omit<Answering, 'state' | 'since'> {
  readonly state: WorkerState | 'restarting' | 'silent'
  readonly since: string | null
}

/** A worker of several, by its number; `null`: the only one of its process. */
export interface NumberedStatus extends WorkerStatus {
  readonly worker: number | null
}

const NONE = { count: 0, worst: [] }

export const STARTING: WorkerStatus = {
  ...{ state: 'starting', since: null, troubles: NONE, partitions: NONE },
  ...{ topologies: [], outPerSecond: 0, stages: [], lastRebalance: null, lastCommit: null },
}

/** The status of a worker that does not answer. */
export function statusWithout(kind: 'restarting' | 'silent', sinceMs: number): WorkerStatus {
  const troubles = listOf([{ kind, reason: '', sinceMs }], troubleStatus)
  return { ...STARTING, state: kind, since: isoTime(sinceMs), troubles }
}

/**
 * The status of a worker: rates are of the last minute, times by stage of the last one to two, in
 * ms, and dead letters since it has started.
 */
export function statusOf(worker: ObservedWorker, topologies: readonly WatchedTopology[]) {
  const { lastRebalance: rebalance, committedMs } = worker
  return {
    state: worker.state,
    since: isoTime(worker.stateMs),
    troubles: listOf(worker.troubles.all, troubleStatus),
    partitions: listOf(worker.partitions.toSorted(byBadness), partitionStatus),
    topologies: topologies.map(({ topology, source, models }) => {
      const observed = worker.topologies.get(topology)
      return {
        topology,
        source,
        models: models.map(({ model, version }) => `${model}@${version}`),
        inPerSecond: rounded(observed?.inRate.perSecond ?? 0),
        deadLetters: Object.fromEntries(observed?.deadLettersByCode ?? []) as Partial<
          Record<Code, number>
        >,
      }
    }),
    outPerSecond: rounded(worker.outRate.perSecond),
    stages: worker.stages.stages.flatMap(({ durations: { labels }, recent }) => {
      const times = recent
        .statistics(performance.now())
        .map(([name, s]) => [name, rounded(s * 1_000)])
      return Number.isNaN(times[0]?.[1]) ? [] : [{ ...labels, ...Object.fromEntries(times) }]
    }),
    lastRebalance: rebalance && { at: isoTime(rebalance.atMs), why: rebalance.cause },
    lastCommit: committedMs === null ? null : isoTime(committedMs),
  }
}

/** `section`: where its cure is, in the folder docs. */
function troubleStatus({ partition, sinceMs, ...trouble }: Trouble) {
  const { effect, code = null, begins, endsWithinS } = TROUBLES[trouble.kind]
  return {
    ...trouble,
    ...(partition && { partition: partitionName(partition) }),
    ...{ effect, code, since: isoTime(sinceMs), reason: begins, endsWithinS },
    section: `runbook.md#${trouble.kind}`,
  }
}

function partitionStatus(observed: ObservedPartition) {
  const { topology, partition, committed, firstEnd, endOffset, lag, windows, isIdle } = observed
  const watermarkMs = windows?.watermarkMs ?? Number.NEGATIVE_INFINITY
  const { eventTimeLagMs } = observed
  return {
    topology,
    partition: partitionName(partition),
    committed,
    end: firstEnd === null ? null : endOffset,
    lag,
    watermark: Number.isFinite(watermarkMs) ? isoTime(watermarkMs) : null,
    eventTimeLagS: eventTimeLagMs === null ? null : eventTimeLagMs / 1_000,
    isIdle,
  }
}

/** The longest lag first, then the oldest watermark. */
function byBadness(a: ObservedPartition, b: ObservedPartition): number {
  return b.lag - a.lag || (b.eventTimeLagMs ?? 0) - (a.eventTimeLagMs ?? 0)
}

/** Some of many, the worst first. */
function listOf<T, Status>(all: readonly T[], statusFrom: (item: T) => Status) {
  return { count: all.length, worst: all.slice(0, MOST_LISTED).map(statusFrom) }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
