import type { RebalanceCause, TopicPartition } from '../connect/port.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Code } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import type { Stage } from '../kernel/stages.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer, TaskWindows, WorkerState } from '../runtime/events.ts'
import { Troubles } from '../runtime/troubles.ts'
import { StageTimers } from './histograms.ts'
import { LatencyWatch, type LatePredictions } from './latency-watch.ts'
import { MinuteRate } from './minute-rate.ts'
import { byType, type EventOf, type WatchedTopology } from './observer.ts'

type ObservedClock = Pick<Clock, 'elapsedMs' | 'nowMs'>

export class ObservedPartition {
  readonly topology: string
  readonly partition: TopicPartition
  nextOffset: number
  endOffset: number
  /** `null`: nothing was committed since it was assigned. */
  committed: number | null = null
  /** Whether its end was reported since it was assigned, and since it last could not be read. */
  isEndKnown = false
  /** Where it ended when it was first read; `null`: it was not. */
  firstEnd: number | null = null
  /** Whether it was read to its end, which markers without records may follow. */
  isRead = false
  unprocessed = 0
  /** `null` before they are restored, or have the first chunk. */
  windows: TaskWindows | null = null
  /** When records came last, or it was assigned, by the clock's elapsed time. */
  lastRecordMs: number
  readonly #clock: ObservedClock
  readonly #idleAfterMs: number

  constructor(event: EventOf<'assigned'>, clock: ObservedClock, idleAfterMs: number) {
    const { topology, partition, nextOffset } = event
    this.topology = topology
    this.partition = partition
    this.nextOffset = nextOffset
    this.endOffset = nextOffset
    this.#clock = clock
    this.#idleAfterMs = idleAfterMs
    this.lastRecordMs = clock.elapsedMs()
  }

  /** Whether it was read to its end and no record has come for a while. */
  get isIdle(): boolean {
    const isQuiet = this.#clock.elapsedMs() - this.lastRecordMs >= this.#idleAfterMs
    return isQuiet && this.isEndKnown && this.isRead && this.unprocessed === 0
  }

  /** How far its watermark is behind the wall clock; `null`: it has none, or is idle. */
  get eventTimeLagMs(): number | null {
    const watermarkMs = this.windows?.watermarkMs ?? Number.NEGATIVE_INFINITY
    if (!Number.isFinite(watermarkMs) || this.isIdle) return null
    return Math.max(0, this.#clock.nowMs() - watermarkMs)
  }

  /** At least 0: a new leader may have an end before the records that were read. */
  get lag(): number {
    return Math.max(0, this.endOffset - this.nextOffset)
  }
}

class ObservedTopology {
  readonly partitions = new Map<string, ObservedPartition>()
  readonly inRate: MinuteRate
  /** Dead letters since the start. */
  readonly deadLettersByCode = new Map<Code, number>()
  /** Since the last status. */
  deadLetters = 0
  /** Substitutes for rows of its online stores; `null`: it has looked up none. */
  degraded: number | null = null

  constructor(clock: ObservedClock) {
    this.inRate = new MinuteRate(clock)
  }
}

type Restore = Readonly<Record<'first' | 'last', EventOf<'restoring'>>>

/**
 * A worker as its events describe it: the one state that health, log and metrics read. Its observer
 * must be called before theirs.
 */
export class ObservedWorker {
  state: WorkerState = 'starting'
  /** When its state began, ms since the epoch. */
  stateMs: number
  /** When a commit last succeeded, ms since the epoch; `null`: none has. */
  committedMs: number | null = null
  lastRebalance: { readonly cause: RebalanceCause; readonly atMs: number } | null = null
  readonly troubles: Troubles
  readonly stages: StageTimers
  readonly outRate: MinuteRate
  /** By table: how far it is read before the first event. */
  readonly loading = new Map<string, EventOf<'table-loading'>>()
  late: readonly LatePredictions[] = []
  readonly #clock: ObservedClock
  readonly #idleAfterMs: ReadonlyMap<string, number>
  readonly #latency: LatencyWatch
  readonly #topologies = new Map<string, ObservedTopology>()
  readonly #restores = new Map<string, Restore>()
  /** The reason for its state, where it has one. */
  #stateReason: string | undefined
  #delayMs = Number.NEGATIVE_INFINITY

  constructor(clock: ObservedClock, topologies: readonly WatchedTopology[]) {
    this.#clock = clock
    this.stateMs = clock.nowMs()
    this.troubles = new Troubles(clock)
    this.stages = new StageTimers(topologies)
    this.outRate = new MinuteRate(clock)
    this.#idleAfterMs = new Map(topologies.map((t) => [t.topology, t.idleAfterMs]))
    this.#latency = new LatencyWatch(topologies)
  }

  readonly observer: Observer = byType({
    state: ({ state, reason }) => {
      if (state !== this.state) this.stateMs = this.#clock.nowMs()
      this.state = state
      this.#stateReason = reason
    },
    rebalance: ({ cause }) => {
      this.lastRebalance = { cause, atMs: this.#clock.nowMs() }
    },
    assigned: (event) => {
      const idleAfterMs = this.#idleAfterMs.get(event.topology) ?? Number.POSITIVE_INFINITY
      const partition = new ObservedPartition(event, this.#clock, idleAfterMs)
      this.#topologyOf(event).partitions.set(partitionName(event.partition), partition)
    },
    lost: (event) => {
      this.troubles.lost(event.partition)
      this.#topologyOf(event).partitions.delete(partitionName(event.partition))
      this.#restores.delete(restoreId(event))
      this.#latency.lost(event)
    },
    trouble: (event) => {
      const { type: _, ...report } = event
      this.troubles.report(report)
      if (report.kind !== 'unreadable' || report.reason === null) return
      const name = report.partition && partitionName(report.partition)
      for (const partition of this.partitions) {
        if (partitionName(partition.partition) === name) partition.isEndKnown = false
      }
    },
    fetched: ({ durationMs }) => this.stages.add('fetch', '', durationMs),
    consumed: (event) => {
      const topology = this.#topologyOf(event)
      topology.inRate.add(event.records)
      const partition = topology.partitions.get(partitionName(event.partition))
      if (partition === undefined) return
      if (event.records > 0) partition.lastRecordMs = this.#clock.elapsedMs()
      partition.endOffset = event.endOffset
      partition.firstEnd ??= event.endOffset
      partition.isRead ||= event.records === 0
      partition.unprocessed += event.records
      partition.isEndKnown = true
    },
    processed: (event) => {
      this.#latency.processed(event, this.#clock.elapsedMs())
      for (const [stage, ms] of Object.entries(event.stages)) {
        this.stages.add(stage as Stage, event.topology, ms)
      }
      const partition = this.#topologyOf(event).partitions.get(partitionName(event.partition))
      // None for a late event about a lost partition: another worker reports that one now.
      if (partition === undefined) return
      partition.nextOffset = event.nextOffset
      partition.windows = event
      partition.unprocessed -= sumOf(Object.values(event.outcomes))
    },
    restoring: (event) => {
      const id = restoreId(event)
      this.#restores.set(id, { first: this.#restores.get(id)?.first ?? event, last: event })
    },
    restored: (event) => {
      this.#restores.delete(restoreId(event))
      const partition = this.#topologyOf(event).partitions.get(partitionName(event.partition))
      if (partition !== undefined) partition.windows = event
    },
    'table-loading': (event) => this.loading.set(event.table, event),
    'table-loaded': ({ table }) => this.loading.delete(table),
    'dead-letter': (event) => {
      const topology = this.#topologyOf(event)
      topology.deadLetters++
      const count = topology.deadLettersByCode.get(event.code) ?? 0
      topology.deadLettersByCode.set(event.code, count + 1)
    },
    'store-read': (event) => {
      const topology = this.#topologyOf(event)
      topology.degraded = (topology.degraded ?? 0) + event.degraded
    },
    committed: (event) => {
      this.committedMs = this.#clock.nowMs()
      this.late = this.#latency.committed(event, this.#clock.elapsedMs())
      this.stages.add('commit', '', event.durationMs)
      for (const { partition, nextOffset } of event.nextOffsets) {
        for (const { partitions } of this.#topologies.values()) {
          const observed = partitions.get(partitionName(partition))
          if (observed !== undefined) observed.committed = nextOffset
        }
      }
      for (const { isOutput, records, endToEndMs } of event.outputs) {
        if (isOutput) this.outRate.add(records)
        for (const ms of endToEndMs) this.#delayMs = Math.max(this.#delayMs, ms)
      }
    },
  })

  /** Everything that is wrong, or why it has its state; `undefined`: all is well. */
  get reason(): string | undefined {
    return this.troubles.reason() ?? this.#stateReason
  }

  get topologies(): ReadonlyMap<string, ObservedTopology> {
    return this.#topologies
  }

  get partitions(): ObservedPartition[] {
    return partitionsOf([...this.#topologies.values()])
  }

  /** Whether everything is processed that its partitions held when they were first read. */
  get isCaughtUp(): boolean {
    const { partitions } = this
    const isDone = ({ firstEnd, nextOffset, isRead, unprocessed }: ObservedPartition) =>
      (firstEnd !== null && nextOffset >= firstEnd) || (isRead && unprocessed === 0)
    return partitions.length > 0 && partitions.every(isDone)
  }

  get restores(): Restore[] {
    return [...this.#restores.values()]
  }

  /**
   * The status of the whole worker, then of each topology where there are several; `null`: not
   * known. Rates are of the last minute, counts those since the last status. Outputs are those of the
   * whole worker, because a commit contains the outputs of all topologies.
   */
  takeStatus(): Readonly<Record<string, unknown>>[] {
    const topologies = [...this.#topologies]
    const all = topologies.map(([, topology]) => topology)
    const { partitions, inPerSecond, lag, watermark, ...counts } = statusOf(all)
    const outPerSecond = rounded(this.outRate.perSecond)
    const delay = Number.isFinite(this.#delayMs) ? formatDuration(this.#delayMs) : null
    const rates = { partitions, inPerSecond, outPerSecond }
    // A worker without partitions either is not needed or is not yet a member of the group.
    const isKnown = this.state === 'running' || partitions > 0
    const worker = { ...rates, lag: isKnown ? lag : null, watermark, delay, ...counts }
    const each = topologies.map(([topology, state]) => ({ topology, ...statusOf([state]) }))
    this.#delayMs = Number.NEGATIVE_INFINITY
    for (const topology of all) {
      topology.deadLetters = 0
      if (topology.degraded !== null) topology.degraded = 0
    }
    return each.length > 1 ? [worker, ...each] : [worker]
  }

  #topologyOf({ topology: name }: { readonly topology: string }): ObservedTopology {
    const topology = this.#topologies.get(name) ?? new ObservedTopology(this.#clock)
    this.#topologies.set(name, topology)
    return topology
  }
}

function partitionsOf(topologies: readonly ObservedTopology[]): ObservedPartition[] {
  return topologies.flatMap(({ partitions }) => [...partitions.values()])
}

function restoreId({ topology, partition }: EventOf<'lost' | 'restoring' | 'restored'>): string {
  return `${topology} ${partitionName(partition)}`
}

function statusOf(topologies: readonly ObservedTopology[]) {
  const progress = partitionsOf(topologies)
  const names = new Set(topologies.flatMap(({ partitions }) => [...partitions.keys()]))
  const watermarks = progress
    .map(({ windows }) => windows?.watermarkMs ?? Number.NaN)
    .filter(Number.isFinite)
  const degraded = topologies.flatMap((topology) => topology.degraded ?? [])
  const areEndsKnown = progress.every(({ isEndKnown }) => isEndKnown)
  return {
    partitions: names.size,
    inPerSecond: rounded(sumOf(topologies.map(({ inRate }) => inRate.perSecond))),
    lag: areEndsKnown ? sumOf(progress.map(({ lag }) => lag)) : null,
    watermark: watermarks.length === 0 ? null : new Date(Math.min(...watermarks)).toISOString(),
    deadLetters: sumOf(topologies.map(({ deadLetters }) => deadLetters)),
    ...(degraded.length > 0 && { degraded: sumOf(degraded) }),
  }
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0)
}

/** To three digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
