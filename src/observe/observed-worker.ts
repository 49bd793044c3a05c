import type { TopicPartition } from '../connect/port.ts'
import type { Clock } from '../kernel/clock.ts'
import { partitionName } from '../kernel/ids.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer, TaskWindows, WorkerState } from '../runtime/events.ts'
import { LatencyWatch, type LatePredictions } from './latency-watch.ts'
import { byType, type EventOf, type WatchedTopology } from './observer.ts'

export class ObservedPartition {
  readonly topology: string
  readonly partition: TopicPartition
  nextOffset: number
  endOffset: number
  /** Whether its end was reported since it was assigned, and since it last could not be read. */
  isEndKnown = false
  /** Where it ended when it was first read; `null`: it was not. */
  firstEnd: number | null = null
  /** Whether it was read to its end, which markers without records may follow. */
  isRead = false
  unprocessed = 0
  /** Whether it was reported at all since then, and can be read now. */
  isFollowed = false
  /** `null` before they are restored, or have the first chunk. */
  windows: TaskWindows | null = null

  constructor({ topology, partition, nextOffset }: EventOf<'assigned'>) {
    this.topology = topology
    this.partition = partition
    this.nextOffset = nextOffset
    this.endOffset = nextOffset
  }

  /** At least 0: a new leader may have an end before the records that were read. */
  get lag(): number {
    return Math.max(0, this.endOffset - this.nextOffset)
  }
}

class ObservedTopology {
  readonly partitions = new Map<string, ObservedPartition>()
  records = 0
  deadLetters = 0
  /** Substitutes for rows of its online stores; `null`: it has looked up none. */
  degraded: number | null = null
}

type Restore = Readonly<Record<'first' | 'last', EventOf<'restoring'>>>

/**
 * A worker as its events describe it: the one state that health, log and metrics read. Its observer
 * must be called before theirs.
 */
export class ObservedWorker {
  state: WorkerState = 'starting'
  reason: string | undefined
  /** By table: how far it is read before the first event. */
  readonly loading = new Map<string, EventOf<'table-loading'>>()
  late: readonly LatePredictions[] = []
  readonly #clock: Pick<Clock, 'elapsedMs'>
  readonly #latency: LatencyWatch
  readonly #topologies = new Map<string, ObservedTopology>()
  readonly #restores = new Map<string, Restore>()
  #unreadable: ReadonlySet<string> = new Set()
  #outputs = 0
  #delayMs = Number.NEGATIVE_INFINITY
  #sinceMs: number

  constructor(clock: Pick<Clock, 'elapsedMs'>, topologies: readonly WatchedTopology[]) {
    this.#clock = clock
    this.#latency = new LatencyWatch(topologies)
    this.#sinceMs = clock.elapsedMs()
  }

  readonly observer: Observer = byType({
    state: ({ state, reason }) => {
      this.state = state
      this.reason = reason
    },
    assigned: (event) => {
      const name = partitionName(event.partition)
      this.#topologyOf(event).partitions.set(name, new ObservedPartition(event))
    },
    lost: (event) => {
      this.#topologyOf(event).partitions.delete(partitionName(event.partition))
      this.#restores.delete(restoreId(event))
      this.#latency.lost(event)
    },
    unreadable: ({ partitions }) => {
      this.#unreadable = new Set(partitions.map(partitionName))
      for (const partition of this.partitions) {
        if (!this.#unreadable.has(partitionName(partition.partition))) continue
        partition.isEndKnown = false
        partition.isFollowed = false
      }
    },
    consumed: (event) => {
      this.#topologyOf(event).records += event.records
      const partition = this.#progressing(event)
      if (partition === undefined) return
      partition.endOffset = event.endOffset
      partition.firstEnd ??= event.endOffset
      partition.isRead ||= event.records === 0
      partition.unprocessed += event.records
      partition.isEndKnown = true
    },
    processed: (event) => {
      this.#latency.processed(event, this.#clock.elapsedMs())
      const partition = this.#progressing(event)
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
      this.#topologyOf(event).deadLetters++
    },
    'store-read': (event) => {
      const topology = this.#topologyOf(event)
      topology.degraded = (topology.degraded ?? 0) + event.degraded
    },
    committed: (event) => {
      this.late = this.#latency.committed(event, this.#clock.elapsedMs())
      for (const { isOutput, records, endToEndMs } of event.outputs) {
        if (isOutput) this.#outputs += records
        for (const ms of endToEndMs) this.#delayMs = Math.max(this.#delayMs, ms)
      }
    },
  })

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
   * known. Counts are those since the last status. Outputs are those of the whole worker, because a
   * commit contains the outputs of all topologies.
   */
  takeStatus(): Readonly<Record<string, unknown>>[] {
    const nowMs = this.#clock.elapsedMs()
    const seconds = Math.max(nowMs - this.#sinceMs, 1) / 1_000
    const topologies = [...this.#topologies]
    const all = topologies.map(([, topology]) => topology)
    const { partitions, inPerSecond, lag, watermark, ...counts } = statusOf(all, seconds)
    const outPerSecond = perSecond(this.#outputs, seconds)
    const delay = Number.isFinite(this.#delayMs) ? formatDuration(this.#delayMs) : null
    const rates = { partitions, inPerSecond, outPerSecond }
    // A worker without partitions either is not needed or is not yet a member of the group.
    const isKnown = this.state === 'running' || partitions > 0
    const worker = { ...rates, lag: isKnown ? lag : null, watermark, delay, ...counts }
    const each = topologies.map(([topology, state]) => ({
      topology,
      ...statusOf([state], seconds),
    }))
    this.#sinceMs = nowMs
    this.#outputs = 0
    this.#delayMs = Number.NEGATIVE_INFINITY
    for (const topology of all) {
      topology.records = 0
      topology.deadLetters = 0
      if (topology.degraded !== null) topology.degraded = 0
    }
    return each.length > 1 ? [worker, ...each] : [worker]
  }

  #topologyOf({ topology: name }: { readonly topology: string }): ObservedTopology {
    const topology = this.#topologies.get(name) ?? new ObservedTopology()
    this.#topologies.set(name, topology)
    return topology
  }

  /** Nothing for a late event about a lost partition: another worker reports that one now. */
  #progressing(event: EventOf<'consumed' | 'processed'>): ObservedPartition | undefined {
    const name = partitionName(event.partition)
    const partition = this.#topologyOf(event).partitions.get(name)
    if (partition !== undefined && !this.#unreadable.has(name)) partition.isFollowed = true
    return partition
  }
}

function partitionsOf(topologies: readonly ObservedTopology[]): ObservedPartition[] {
  return topologies.flatMap(({ partitions }) => [...partitions.values()])
}

function restoreId({ topology, partition }: EventOf<'lost' | 'restoring' | 'restored'>): string {
  return `${topology} ${partitionName(partition)}`
}

function statusOf(topologies: readonly ObservedTopology[], seconds: number) {
  const progress = partitionsOf(topologies)
  const names = new Set(topologies.flatMap(({ partitions }) => [...partitions.keys()]))
  const watermarks = progress
    .map(({ windows }) => windows?.watermarkMs ?? Number.NaN)
    .filter(Number.isFinite)
  const degraded = topologies.flatMap((topology) => topology.degraded ?? [])
  const areEndsKnown = progress.every(({ isEndKnown }) => isEndKnown)
  return {
    partitions: names.size,
    inPerSecond: perSecond(sumOf(topologies.map(({ records }) => records)), seconds),
    lag: areEndsKnown ? sumOf(progress.map(({ lag }) => lag)) : null,
    watermark: watermarks.length === 0 ? null : new Date(Math.min(...watermarks)).toISOString(),
    deadLetters: sumOf(topologies.map(({ deadLetters }) => deadLetters)),
    ...(degraded.length > 0 && { degraded: sumOf(degraded) }),
  }
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0)
}

/** With one decimal below 10. */
function perSecond(count: number, seconds: number): number {
  const rate = count / seconds
  return rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)
}
