import type { Code } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import type { WorkerState } from '../runtime/events.ts'
import { TROUBLES, type Trouble, type TroubleKind } from '../runtime/troubles.ts'
import type { ObservedPartition, ObservedWorker } from './observed-worker.ts'
import type { WatchedTopology } from './observer.ts'

// The answer to GET /status: JSON without keys, payloads, and without the text of any exception,
// which may hold either. Times are ISO 8601, in UTC; `null`: not known, or not yet.

/** The most troubles and partitions that are listed, the worst first; the others are counted. */
export const MOST_LISTED = 50

export interface TroubleStatus
  extends Partial<Record<'topology' | 'step' | 'model' | 'table' | 'store' | 'system', string>> {
  readonly kind: TroubleKind
  readonly effect: 'waits' | 'suffers' | 'stays'
  readonly code: Code | null
  readonly partition?: string
  readonly since: string
  readonly reason: string
  /** The longest time until its end is noticed, seconds. */
  readonly endsWithinS: number
  /** Its cure, in the folder docs. */
  readonly section: string
}

interface PartitionStatus {
  readonly topology: string
  readonly partition: string
  readonly committed: number | null
  readonly end: number | null
  readonly lag: number
  readonly watermark: string | null
  /** How far the watermark is behind the wall clock, seconds; `null` also while it is idle. */
  readonly eventTimeLagS: number | null
  readonly isIdle: boolean
}

/** A worker of several, by its number; `null`: the only one of its process. */
export interface NumberedStatus extends WorkerStatus {
  readonly worker: number | null
}

/** Some of many, the worst first. */
interface Listed<T> {
  readonly count: number
  readonly worst: readonly T[]
}

export interface WorkerStatus {
  readonly state: WorkerState | 'restarting' | 'silent'
  readonly since: string | null
  readonly troubles: Listed<TroubleStatus>
  readonly partitions: Listed<PartitionStatus>
  readonly topologies: readonly TopologyStatus[]
  /** Outputs a second, over the last minute. */
  readonly outPerSecond: number
  readonly stages: readonly StageStatus[]
  readonly lastRebalance: { readonly at: string; readonly why: string } | null
  readonly lastCommit: string | null
}

interface TopologyStatus {
  readonly topology: string
  readonly source: string
  readonly models: readonly string[]
  /** Records a second, over the last minute. */
  readonly inPerSecond: number
  /** Since the worker has started. */
  readonly deadLetters: Readonly<Partial<Record<Code, number>>>
}

/** Time in a stage over the last one to two minutes, ms; an empty topology: of the whole worker. */
interface StageStatus {
  readonly topology: string
  readonly stage: string
  readonly mean: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** What is known of a worker that does not answer. */
export function statusWithout(kind: 'restarting' | 'silent', sinceMs: number): WorkerStatus {
  const troubles = listOf([troubleStatus({ kind, reason: '', sinceMs })])
  return { ...STARTING, state: kind, since: isoTime(sinceMs), troubles }
}

export const STARTING: WorkerStatus = {
  state: 'starting',
  since: null,
  troubles: { count: 0, worst: [] },
  partitions: { count: 0, worst: [] },
  ...{ topologies: [], outPerSecond: 0, stages: [], lastRebalance: null, lastCommit: null },
}

export function statusOf(
  worker: ObservedWorker,
  topologies: readonly WatchedTopology[],
): WorkerStatus {
  const { lastRebalance: rebalance, committedMs } = worker
  return {
    state: worker.state,
    since: isoTime(worker.stateMs),
    troubles: listOf(worker.troubles.all.map(troubleStatus)),
    partitions: listOf(worker.partitions.toSorted(byBadness).map(partitionStatus)),
    topologies: topologies.map(({ topology, source, models }) => {
      const observed = worker.topologies.get(topology)
      return {
        topology,
        source,
        models: models.map(({ model, version }) => `${model}@${version}`),
        inPerSecond: rounded(observed?.inRate.perSecond ?? 0),
        deadLetters: Object.fromEntries(observed?.deadLettersByCode ?? []),
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

function troubleStatus({ partition, sinceMs, ...trouble }: Trouble): TroubleStatus {
  const { effect, code = null, begins, endsWithinS } = TROUBLES[trouble.kind]
  return {
    ...trouble,
    ...(partition && { partition: partitionName(partition) }),
    ...{ effect, code, since: isoTime(sinceMs), reason: begins, endsWithinS },
    section: `runbook.md#${trouble.kind}`,
  }
}

function partitionStatus(observed: ObservedPartition): PartitionStatus {
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

function listOf<T>(all: readonly T[]): Listed<T> {
  return { count: all.length, worst: all.slice(0, MOST_LISTED) }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
