import { keepsState } from '../../engine/plan.ts'
import type { StateLimits } from '../../engine/store/state-limits.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import type { Assignment, Chunk, Loss, Start, TopicPartition, Valve } from '../../records/port.ts'
import { checkPartitions, mustRebuild, noteOf } from '../commit/restart-plan.ts'
import type { WorkerConfig } from '../config.ts'
import type { WorkerContext } from '../context.ts'
import { limitsOfMachine } from '../machine-limits.ts'
import type { PreparedTopology } from '../prepare.ts'
import { variantNotes } from '../settle-variants.ts'
import type { TaskSurroundings } from '../task-surroundings.ts'
import type { TopicLimits } from '../topic-limits.ts'
import { AssignedPartition, type PartitionSurroundings } from './assigned-partition.ts'
import { Flow } from './flow.ts'
import { KeyWatch } from './key-watch.ts'

// The tasks of a worker, as the group assigns partitions, and the flow of chunks to each.

/** What {@link Tasks} works with. */
export interface TasksOptions {
  readonly config: WorkerConfig
  readonly context: WorkerContext
  readonly topologies: readonly PreparedTopology[]
  readonly topicLimits: (topic: string) => TopicLimits
  /** Partitions of a source when the worker started. */
  readonly partitions: (topic: string) => number
  readonly verdictsOf: PartitionSurroundings['verdictsOf']
  readonly shadows: TaskSurroundings['shadows']
  readonly onSetAside: TaskSurroundings['onSetAside']
  /** Called when something has changed: a chunk is finished, a task has come or gone. */
  onChange(): void
  /** Called when a partition is paused until some of its bytes in flight are committed. */
  onHeldUp(): void
  onError(error: unknown): void
}

/** All tasks of a worker. */
export class Tasks {
  readonly #o: TasksOptions
  readonly #byTopic: ReadonlyMap<string, readonly PreparedTopology[]>
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #flow: Flow<AssignedPartition>
  readonly #keyWatches: ReadonlyMap<string, KeyWatch>
  /** Notes about variants that have been told. */
  readonly #told = new Set<string>()
  /** Limits of the windows of all tasks together. */
  readonly #limits: StateLimits
  /** The share of one task. */
  readonly #share: { maxKeys: number; maxBytes: number }

  constructor(options: TasksOptions) {
    this.#o = options
    this.#byTopic = byTopic(options.topologies)
    const { maxKeys, maxStateBytes, maxInFlightBytes } = options.config
    const machine = limitsOfMachine()
    this.#limits = {
      maxKeys: maxKeys ?? machine.maxKeys,
      maxBytes: maxStateBytes ?? machine.maxBytes,
    }
    this.#share = { ...this.#limits }
    this.#flow = new Flow(maxInFlightBytes)
    this.#keyWatches = keyWatches(options)
  }

  /** The partitions assigned to this worker now. */
  all(): Iterable<AssignedPartition> {
    return this.#partitions.values()
  }

  /**
   * How much of the log before a committed offset is to be read, ms; limited only where windows are
   * rebuilt.
   */
  lookBackMs(start: Start): number {
    const note = noteOf(start)
    const topologies = this.#byTopic.get(start.topic) ?? []
    const isRebuilt = topologies.some((topology) => mustRebuild(topology, note))
    return isRebuilt ? this.#o.config.rebuildMs : Number.POSITIVE_INFINITY
  }

  /**
   * Called with the number of partitions that a source has now. Partitions added since the worker
   * started are processed like any other if no topology keeps windows.
   * @throws TidemarkError `TOPIC_CHANGED`: keys have moved, and with them the contents of their
   * windows
   */
  counted(topic: string, partitions: number): void {
    const topologies = this.#byTopic.get(topic) ?? []
    if (topologies.some(({ definition }) => keepsState(definition))) {
      checkPartitions(topic, this.#o.partitions(topic), partitions)
    }
  }

  /**
   * Called when a partition is assigned.
   * @returns the offset at which reading begins
   * @throws TidemarkError `TOPIC_CHANGED`
   */
  assigned(assignment: Assignment, valve: Valve): number {
    const topologies = this.#byTopic.get(assignment.topic)
    if (topologies === undefined) {
      throw new TidemarkError(
        'INVARIANT',
        `assigned "${assignment.topic}", which no topology reads`,
      )
    }
    const partitions = this.#o.partitions(assignment.topic)
    this.counted(assignment.topic, Math.max(partitions, assignment.partition + 1))
    const name = partitionName(assignment)
    this.#tellVariants(topologies, assignment)
    const assigned = new AssignedPartition(topologies, assignment, {
      ...this.#o.context,
      config: this.#o.config,
      limits: this.#share,
      partitions,
      keyWatches: this.#keyWatches,
      verdictsOf: this.#o.verdictsOf,
      valve,
      topicLimits: this.#o.topicLimits,
      shadows: this.#o.shadows,
      onSetAside: this.#o.onSetAside,
      onFinished: () => {
        // It may have produced less than was expected.
        this.adjustFlow()
        this.#o.onChange()
      },
      onFlow: () => this.adjustFlow(),
      onFailed: (error) => this.#o.onError(error),
    })
    this.#partitions.set(name, assigned)
    this.#divide()
    this.#o.onChange()
    return assigned.startOffset
  }

  /** Says once of each variant that partitions were scored with another one. */
  #tellVariants(topologies: readonly PreparedTopology[], assignment: Assignment): void {
    for (const note of variantNotes(topologies, noteOf(assignment))) {
      if (this.#told.has(note)) continue
      this.#told.add(note)
      this.#o.context.observer({ type: 'note', message: note })
    }
  }

  /** Are the windows of a partition still being restored? */
  isRestoring(partition: TopicPartition): boolean {
    return this.#partitions.get(partitionName(partition))?.isRestoring === true
  }

  /** Drops tasks with everything they had pending. */
  lost(partitions: readonly TopicPartition[], why: Loss | 'left'): void {
    for (const partition of partitions) {
      const name = partitionName(partition)
      const assigned = this.#partitions.get(name)
      if (assigned === undefined) continue
      this.#partitions.delete(name)
      this.#flow.forget(assigned)
      assigned.drop(why)
      for (const { topology } of assigned.tasks) {
        const { partition: of } = assigned
        this.#o.context.observer({
          type: 'lost',
          topology: topology.definition.name,
          partition: of,
          why,
        })
      }
    }
    this.#divide()
    // Its bytes in flight may have held others up.
    this.adjustFlow()
    this.#o.onChange()
  }

  /** Leaves what has not been started to the next owner. */
  stopTaking(): void {
    for (const partition of this.#partitions.values()) partition.stopTaking()
  }

  /** Drops all tasks. */
  loseAll(): void {
    this.lost(
      [...this.#partitions.values()].map((assigned) => assigned.partition),
      'left',
    )
  }

  /** Passes a chunk to its tasks; a chunk of an older assignment is dropped. */
  process(chunk: Chunk): void {
    const assigned = this.#partitions.get(partitionName(chunk))
    if (assigned === undefined || assigned.epoch !== chunk.epoch) return
    assigned.process(chunk)
    this.adjustFlow()
  }

  /**
   * Called when a partition was read to its log end offset: its lag is known although no record
   * came.
   */
  caughtUp(partition: TopicPartition, endOffset: number): void {
    this.#partitions.get(partitionName(partition))?.caughtUp(endOffset)
  }

  /**
   * Ends the input: every open window closes. Resolves when they have closed; the results are
   * committed later.
   */
  async closeWindows(): Promise<void> {
    const all = [...this.#partitions.values()]
    await Promise.all(all.map((assigned) => assigned.pass(() => LATEST_EVENT_TIME_MS)))
  }

  /** Pauses and resumes partitions by the bytes in flight. */
  adjustFlow(): void {
    if (this.#flow.adjust(this.#partitions.values())) this.#o.onHeldUp()
  }

  /** Is everything that was read committed? */
  get isIdle(): boolean {
    return [...this.#partitions.values()].every((assigned) => assigned.isIdle)
  }

  /** Is there nothing to wait for before the worker leaves? */
  get isSettled(): boolean {
    return [...this.#partitions.values()].every((assigned) => assigned.isSettled)
  }

  /** Is a partition paused until some of its bytes in flight are committed? */
  get isHeldUp(): boolean {
    return this.#flow.isHeldUp
  }

  #divide(): void {
    const tasks = [...this.#partitions.values()].reduce((sum, p) => sum + p.tasks.length, 0)
    const { maxKeys, maxBytes } = this.#limits
    this.#share.maxKeys = Math.floor(maxKeys / Math.max(tasks, 1))
    this.#share.maxBytes = Math.floor(maxBytes / Math.max(tasks, 1))
  }
}

function byTopic(topologies: readonly PreparedTopology[]): Map<string, PreparedTopology[]> {
  const groups = new Map<string, PreparedTopology[]>()
  for (const topology of topologies) {
    const { topic } = topology.definition.source
    groups.set(topic, [...(groups.get(topic) ?? []), topology])
  }
  return groups
}

/** By topology name, for topologies that keep windows and have `keyMismatch: 'warn'`. */
function keyWatches({ topologies, context: { observer } }: TasksOptions): Map<string, KeyWatch> {
  const watched = topologies.filter(({ definition }) => {
    return definition.source.keyMismatch === 'warn' && keepsState(definition)
  })
  return new Map(
    watched.map(({ definition }) => [definition.name, new KeyWatch(definition, observer)]),
  )
}
