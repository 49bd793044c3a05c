import { partitionName } from '../../kernel/ids.ts'
import { Lifecycle, type LifecycleTable } from '../../kernel/lifecycle.ts'
import type { Assignment, Chunk, Loss, TopicPartition, Valve } from '../../records/port.ts'
import { type ChosenVariants, packNote } from '../commit/checkpoint-metadata.ts'
import type { RestartPoint } from '../commit/entry.ts'
import { Ledger } from '../commit/in-flight.ts'
import { noteOf, planRestart } from '../commit/restart-plan.ts'
import type { Verdicts } from '../commit/verdicts.ts'
import type { WorkerConfig } from '../config.ts'
import type { RuntimeEvent } from '../events.ts'
import type { PreparedTopology } from '../prepare.ts'
import { areNoted, variantsOf } from '../settle-variants.ts'
import type { TaskSurroundings } from '../task-surroundings.ts'
import type { KeyWatch } from './key-watch.ts'
import { RestoringPartition } from './restoring-partition.ts'
import { RunningPartition } from './running-partition.ts'
import { Task } from './task.ts'

// One assignment of a partition: a task for each topology that reads it, and the ledger they share,
// since a group commits one offset per partition. First it replays what windows need, without
// output (rules R1, R5), then it continues from the committed offset.

type PartitionState = 'restoring' | 'running' | 'revoked' | 'lost'

/** States of a partition during one assignment. */
export const PARTITION: LifecycleTable<PartitionState> = {
  first: 'restoring',
  next: {
    restoring: {
      running: 'what windows need is read again',
      revoked: 'it goes to another worker, or this one leaves',
      lost: 'the group went on without this worker, or the log was cut',
    },
    running: {
      revoked: 'it goes to another worker, or this one leaves',
      lost: 'the group went on without this worker',
    },
    revoked: {},
    lost: {},
  },
}

/** What a partition needs of the worker around it. */
export interface PartitionSurroundings extends TaskSurroundings {
  readonly config: Pick<WorkerConfig, 'guarantee' | 'deadLetterBreakerPercent'>
  /** By topology name, for topologies that watch for keys in several partitions. */
  readonly keyWatches: ReadonlyMap<string, KeyWatch>
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly verdictsOf: (topology: PreparedTopology, assignment: Assignment) => Verdicts | null
  /** Pauses and resumes the flow of its chunks. */
  readonly valve: Valve
  /** Called when the bytes in flight have changed. */
  onFlow(): void
}

/** A partition from its assignment until it is revoked or lost. */
export class AssignedPartition {
  readonly partition: TopicPartition
  readonly epoch: number
  readonly valve: Valve
  readonly ledger: Ledger
  readonly tasks: readonly Task[]
  readonly #around: PartitionSurroundings
  readonly #life: Lifecycle<PartitionState>
  readonly #restoring: RestoringPartition
  readonly #running: RunningPartition
  readonly #variants: ChosenVariants

  constructor(
    topologies: readonly PreparedTopology[],
    assignment: Assignment,
    surroundings: PartitionSurroundings,
  ) {
    const { topic, partition, epoch, nextOffset, metadata } = assignment
    const around = {
      ...surroundings,
      observer: (event: RuntimeEvent) => this.#observe(event, surroundings),
    }
    this.partition = { topic, partition }
    this.epoch = epoch
    this.valve = around.valve
    this.#around = around
    this.#life = new Lifecycle(`partition ${partitionName(assignment)}`, PARTITION)
    this.ledger = new Ledger(around.config.guarantee)
    this.#variants = variantsOf(topologies)
    const note = noteOf(assignment)
    const planned = topologies.map((topology) => {
      const plan = planRestart(topology, assignment, note)
      const keyWatch = around.keyWatches.get(topology.definition.name) ?? null
      const verdicts = around.verdictsOf(topology, assignment)
      const context = { partition: this.partition, plan, keyWatch, verdicts }
      return { task: new Task(topology, context, around), plan }
    })
    this.tasks = planned.map(({ task }) => task)
    const lastRecord = note?.lastRecord ?? null
    this.#restoring = new RestoringPartition(assignment, { planned, lastRecord }, around)
    const { tasks, ledger } = this
    this.#running = new RunningPartition(
      { partition: this.partition, tasks, ledger, nextOffset, lastRecord },
      around,
    )
    this.#tellAssigned(nextOffset)
    if (this.#restoring.isDone) this.#run()
    else this.#restoring.tell()
    // Where a group begins is committed before anything is read: otherwise a worker that takes over
    // might begin at the other end of the log. The metadata of that commit says how the windows are
    // to be rebuilt, so that such a worker continues rebuilding them. What scores is committed too,
    // if it is not what was committed: a partition without events would name the old variant.
    if (metadata === null || !areNoted(this.#variants, note))
      void this.pass(() => Number.NEGATIVE_INFINITY)
  }

  /** Offset at which reading begins. */
  get startOffset(): number {
    return this.#restoring.startOffset
  }

  /** Are its windows still being restored? */
  get isRestoring(): boolean {
    return !this.#restoring.isOver
  }

  /** Bytes in flight, in memory. */
  get bytesInFlight(): number {
    return this.bytesToCommit + this.#restoring.bytes + this.#running.bytes
  }

  /** Bytes that a commit would release, in memory. */
  get bytesToCommit(): number {
    return this.ledger.bytesInFlight
  }

  /** Is nothing of it waiting for a commit? */
  get isIdle(): boolean {
    return this.ledger.isEmpty && this.#running.isIdle
  }

  /**
   * Is there nothing to wait for before the worker leaves: it is idle, or held up by something that
   * may last?
   */
  get isSettled(): boolean {
    return this.isIdle || (this.ledger.isBlocked && this.tasks.some((task) => task.isHeldUp))
  }

  /** Processes the next chunk: a replay up to the committed offset, live after it. */
  process(chunk: Chunk): void {
    const live = this.#life.state === 'restoring' ? this.#restore(chunk) : chunk
    if (live !== null) this.#running.process(live)
  }

  /** Called when the partition was read to its log end offset. */
  caughtUp(endOffset: number): void {
    if (this.#life.state === 'restoring') {
      this.#restoring.caughtUp(endOffset)
      if (this.#restoring.isDone) this.#run()
    }
    this.#running.caughtUp(endOffset)
  }

  /** From now on, chunks that are still waiting are not started. */
  stopTaking(): void {
    this.#running.stopTaking()
  }

  /**
   * Advances time without a record, up to a watermark for each task, so that windows close.
   * Resolves when they have closed.
   */
  pass(untilMs: (task: Task) => number): Promise<void> {
    return this.#running.pass(untilMs)
  }

  /** The partition is gone, with everything in flight. It reports no more events. */
  drop(why: Loss | 'left'): void {
    this.#life.enter(why === 'expelled' || why === 'cut' ? 'lost' : 'revoked')
    this.#running.drop()
    for (const task of this.tasks) task.drop()
    this.ledger.drop()
  }

  /** The commit metadata for a restart point. */
  metadata({ notes, lastRecord }: RestartPoint): string {
    const { partitions } = this.#around
    return packNote({ partitions, lastRecord, topologies: notes, variants: this.#variants })
  }

  /** @returns the part of the chunk after the committed offset; `null`: there is none */
  #restore(chunk: Chunk): Chunk | null {
    const rest = this.#restoring.replay(chunk)
    if (this.#restoring.isDone) this.#run()
    return rest
  }

  #run(): void {
    this.#life.enter('running')
    this.#restoring.end().catch((error) => this.#around.onFailed(error))
  }

  #tellAssigned(nextOffset: number): void {
    for (const { topology } of this.tasks) {
      const { name } = topology.definition
      const { partition } = this
      this.#around.observer({ type: 'assigned', topology: name, partition, nextOffset })
    }
  }

  #observe(event: RuntimeEvent, { observer }: PartitionSurroundings): void {
    if (this.#life.isOver) return
    observer(event)
    this.#running.follow(event)
  }
}
