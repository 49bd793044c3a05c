import type {
  Assignment,
  Chunk,
  Loss,
  Pausable,
  Start,
  TopicPartition,
} from '../../connect/port.ts'
import { keepsState } from '../../engine/plan.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { metadataAt } from '../commit/checkpoint-metadata.ts'
import { MOST_PARTITION_BYTES } from '../commit/in-flight.ts'
import { checkPartitions, mustRebuild } from '../commit/restart-plan.ts'
import type { WorkerConfig } from '../config.ts'
import type { PreparedTopology } from '../prepared.ts'
import { variantNotes } from '../start/variants.ts'
import { AssignedPartition, type PartitionContext } from './assigned-partition.ts'
import { KeyWatch } from './key-watch.ts'
import { NotNow } from './previews.ts'
import type { Task } from './task.ts'

// The tasks of a worker, as the group assigns partitions, and the backpressure on their chunks.

type MadeHere = 'limits' | 'partitions' | 'keyWatches' | 'pausable' | 'onFinished' | 'onBytes'

export interface TasksOptions extends Omit<PartitionContext, MadeHere> {
  readonly config: WorkerConfig
  readonly topologies: readonly PreparedTopology[]
  /** Partitions of a source when the worker started. */
  readonly partitions: (topic: string) => number
  /** Called when a chunk is finished, or a task has come or gone. */
  onChange(): void
  /** Called when a partition is paused until something of it is committed. */
  onHeldUp(): void
}

export class Tasks {
  readonly #o: TasksOptions
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #backpressure: Backpressure
  readonly #keyWatches: ReadonlyMap<string, KeyWatch>
  /** Notes about variants that have been told. */
  readonly #told = new Set<string>()
  /** For the windows of one task. */
  readonly #share: { maxKeys: number; maxBytes: number }

  constructor(options: TasksOptions) {
    this.#o = options
    const { maxKeys, maxStateBytes, maxInFlightBytes } = options.config
    this.#share = { maxKeys, maxBytes: maxStateBytes }
    this.#backpressure = new Backpressure(maxInFlightBytes)
    this.#keyWatches = keyWatches(options)
  }

  /** The partitions assigned to this worker now. */
  all(): readonly AssignedPartition[] {
    return [...this.#partitions.values()]
  }

  /**
   * How much of the log before a committed offset is read, ms; limited where windows are rebuilt.
   */
  lookBackMs(start: Start): number {
    const metadata = metadataAt(start)
    const isRebuilt = this.#readersOf(start).some((topology) => mustRebuild(topology, metadata))
    return isRebuilt ? this.#o.config.rebuildMs : Number.POSITIVE_INFINITY
  }

  /**
   * Called with the number of partitions that a source has now. Partitions added since the worker
   * started are processed like any other if no topology keeps windows.
   * @throws TidemarkError `TOPIC_CHANGED`: keys have moved away from their windows
   */
  counted(topic: string, partitions: number): void {
    if (this.#readersOf({ topic }).some(({ definition }) => keepsState(definition))) {
      checkPartitions(topic, this.#o.partitions(topic), partitions)
    }
  }

  /**
   * @returns the offset at which reading begins
   * @throws TidemarkError `TOPIC_CHANGED`
   */
  assigned(assignment: Assignment, pausable: Pausable): number {
    const topologies = this.#readersOf(assignment)
    if (topologies.length === 0) {
      const message = `assigned "${assignment.topic}", which no topology reads`
      throw new TidemarkError('INVARIANT', message)
    }
    const partitions = this.#o.partitions(assignment.topic)
    this.counted(assignment.topic, Math.max(partitions, assignment.partition + 1))
    this.#tellVariants(topologies, assignment)
    const assigned = new AssignedPartition(topologies, assignment, {
      ...this.#o,
      limits: this.#share,
      partitions,
      keyWatches: this.#keyWatches,
      pausable,
      onFinished: () => {
        // It may have produced less than was expected.
        this.adjustFlow()
        this.#o.onChange()
      },
      onBytes: () => this.adjustFlow(),
    })
    this.#partitions.set(partitionName(assignment), assigned)
    this.#divide()
    this.#o.onChange()
    return assigned.startOffset
  }

  #readersOf({ topic }: Pick<Start, 'topic'>): readonly PreparedTopology[] {
    return this.#o.topologies.filter(({ definition }) => definition.source.topic === topic)
  }

  /** Says once of each variant that partitions were scored with another one. */
  #tellVariants(topologies: readonly PreparedTopology[], assignment: Assignment): void {
    for (const message of variantNotes(topologies, metadataAt(assignment))) {
      if (this.#told.has(message)) continue
      this.#told.add(message)
      this.#o.observer({ type: 'note', message })
    }
  }

  /** The task of a topology on a partition; `null`: it is not here. @throws NotNow */
  taskOf(topology: string, partition: TopicPartition): Task | null {
    const assigned = this.#partitions.get(partitionName(partition))
    if (assigned === undefined) return null
    if (assigned.isRestoring) throw new NotNow('the windows of the partition are being restored')
    return assigned.tasks.find(({ labels }) => labels.topology === topology) ?? null
  }

  isRestoring(partition: TopicPartition): boolean {
    return this.#partitions.get(partitionName(partition))?.isRestoring === true
  }

  /** Drops tasks with everything in flight. */
  lost(partitions: readonly TopicPartition[], why: Loss | 'left'): void {
    for (const partition of partitions) {
      const name = partitionName(partition)
      const assigned = this.#partitions.get(name)
      if (assigned === undefined) continue
      this.#partitions.delete(name)
      this.#backpressure.forget(assigned)
      assigned.drop(why)
      for (const { labels } of assigned.tasks) this.#o.observer({ type: 'lost', ...labels, why })
    }
    this.#divide()
    // Its bytes in flight may have held others up.
    this.adjustFlow()
    this.#o.onChange()
  }

  loseAll(): void {
    const all = this.all().map(({ partition }) => partition)
    this.lost(all, 'left')
  }

  /** Drops a chunk of an older assignment. */
  process(chunk: Chunk): void {
    const assigned = this.#partitions.get(partitionName(chunk))
    if (assigned === undefined || assigned.epoch !== chunk.epoch) return
    assigned.process(chunk)
    this.adjustFlow()
  }

  /** Called when a partition was read to its end: its lag is known although no record came. */
  caughtUp(partition: TopicPartition, endOffset: number): void {
    this.#partitions.get(partitionName(partition))?.caughtUp(endOffset)
  }

  /** Pauses and resumes partitions by the bytes in flight. */
  adjustFlow(): void {
    if (this.#backpressure.adjust(this.all())) this.#o.onHeldUp()
  }

  get isHeldUp(): boolean {
    return this.#backpressure.isHeldUp
  }

  #divide(): void {
    const tasks = this.all().reduce((sum, p) => sum + p.tasks.length, 0)
    const { maxKeys, maxStateBytes } = this.#o.config
    this.#share.maxKeys = Math.floor(maxKeys / Math.max(tasks, 1))
    this.#share.maxBytes = Math.floor(maxStateBytes / Math.max(tasks, 1))
  }
}

/** By name of the topology, if it keeps windows and has `keyMismatch: 'warn'`. */
function keyWatches({ topologies, observer }: TasksOptions): Map<string, KeyWatch> {
  const watched = topologies
    .map(({ definition }) => definition)
    .filter((d) => d.source.keyMismatch === 'warn' && keepsState(d))
  return new Map(watched.map((d) => [d.name, new KeyWatch(d, observer)]))
}

type Fetched = Pick<AssignedPartition, 'partition' | 'bytesInFlight' | 'bytesToCommit' | 'pausable'>

/**
 * Pauses a partition while too much is in flight, so that memory is bounded. All partitions share
 * one budget, and each may use as much as is left of it: a single partition gets half, n full ones
 * get 1/(n + 1) each, and what one does not use is available to the others (Choudhury and Hahne
 * 1998, "Dynamic Queue Length Thresholds"). Counted in bytes, not chunks: under light load chunks
 * are a few records, and a pause costs more than they do.
 */
export class Backpressure {
  readonly #budget: number
  readonly #paused = new Set<Fetched>()

  constructor(budget: number) {
    this.#budget = budget
  }

  /** Whether a paused partition waits for a commit. One that is restoring, or throttled, does not. */
  get isHeldUp(): boolean {
    return [...this.#paused].some(waitsForCommit)
  }

  /** The partition is revoked or lost. */
  forget(fetched: Fetched): void {
    this.#paused.delete(fetched)
  }

  /** @returns whether a partition was paused now that waits for a commit */
  adjust(partitions: readonly Fetched[]): boolean {
    const used = partitions.reduce((sum, { bytesInFlight }) => sum + bytesInFlight, 0)
    const most = Math.min(MOST_PARTITION_BYTES, this.#budget - used)
    let hasStopped = false
    for (const fetched of partitions) {
      const { partition, bytesInFlight, pausable } = fetched
      if (this.#paused.has(fetched)) {
        if (bytesInFlight > most / 2 || most <= 0) continue
        this.#paused.delete(fetched)
        pausable.resume(partition)
      } else if (bytesInFlight >= most) {
        this.#paused.add(fetched)
        pausable.pause(partition)
        hasStopped ||= waitsForCommit(fetched)
      }
    }
    return hasStopped
  }
}

function waitsForCommit({ bytesInFlight, bytesToCommit }: Fetched): boolean {
  return bytesToCommit > bytesInFlight / 2
}
