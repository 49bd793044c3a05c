import { partitionName } from '../kernel/ids.ts'
import { Lifecycle, type LifecycleTable } from '../kernel/lifecycle.ts'
import type { Assignment, Chunk, Guarantee, Loss, TopicPartition, Valve } from '../records/port.ts'
import type { RestartPoint } from './entry.ts'
import type { RuntimeEvent } from './events.ts'
import type { KeyWatch } from './key-watch.ts'
import { Ledger } from './ledger.ts'
import type { PreparedTopology } from './prepare.ts'
import { packNote } from './restart-note.ts'
import { noteOf, planRestart } from './restart-plan.ts'
import { RestoringPartition } from './restoring-partition.ts'
import { RunningPartition } from './running-partition.ts'
import { Task } from './task.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

// One assignment of a partition: a task for each topology that reads it, and the ledger they share,
// since a group keeps one offset a partition. First it reads again what windows need, in silence
// (rules R1, R5), then it goes on where the group had come to.

type PartitionState = 'restoring' | 'running' | 'revoked' | 'lost'

/** What a partition goes through in one assignment. */
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

export interface PartitionSurroundings extends TaskSurroundings {
  readonly guarantee: Guarantee
  /**
   * Of the last 1,000 records, more dead letters than that slow a partition down, %; `null`: none
   * do.
   */
  readonly breakerPercent: number | null
  /** By topology, of those that look out for keys in several partitions. */
  readonly keyWatches: ReadonlyMap<string, KeyWatch>
  /** Stops and starts what comes of it. */
  readonly valve: Valve
  /** So much more, or less, is on its way. */
  onFlow(): void
}

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
    this.ledger = new Ledger(around.guarantee)
    const note = noteOf(assignment)
    const planned = topologies.map((topology) => {
      const plan = planRestart(topology, assignment, note)
      const keyWatch = around.keyWatches.get(topology.definition.name) ?? null
      const task = new Task(topology, { partition: this.partition, plan, keyWatch }, around)
      return { task, plan }
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
    // Where a group begins is settled before anything is read: else a worker that follows begins at
    // another end of the log. It says how its windows are to be had, so that one that follows goes
    // on making them.
    if (metadata === null) void this.pass(() => Number.NEGATIVE_INFINITY)
  }

  /** Where reading begins. */
  get startOffset(): number {
    return this.#restoring.startOffset
  }

  /** Size of what is on its way. */
  get bytesInFlight(): number {
    return this.bytesToCommit + this.#restoring.bytes + this.#running.bytes
  }

  /** Size of what is on its way to a commit. */
  get bytesToCommit(): number {
    return this.ledger.bytesInFlight
  }

  /** Is nothing of it on its way to a commit? */
  get isIdle(): boolean {
    return this.ledger.isEmpty && this.#running.isIdle
  }

  take(chunk: Chunk): void {
    const live = this.#life.state === 'restoring' ? this.#restore(chunk) : chunk
    if (live !== null) this.#running.take(live)
  }

  /** It was read to its end. */
  caughtUp(endOffset: number): void {
    if (this.#life.state === 'restoring') {
      this.#restoring.caughtUp(endOffset)
      if (this.#restoring.isDone) this.#run()
    }
    this.#running.caughtUp(endOffset)
  }

  /** Nothing more of it is begun. */
  stopTaking(): void {
    this.#running.stopTaking()
  }

  /**
   * Time has passed without a record, up to a watermark for each task; windows close. Resolves when
   * they have.
   */
  pass(untilMs: (task: Task) => number): Promise<void> {
    return this.#running.pass(untilMs)
  }

  /** It is gone, with all it had on its way: it tells nothing any more. */
  drop(why: Loss | 'left'): void {
    this.#life.enter(why === 'expelled' || why === 'cut' ? 'lost' : 'revoked')
    this.#running.drop()
    for (const task of this.tasks) task.drop()
    this.ledger.drop()
  }

  /** What stands beside an offset that is committed. */
  metadata({ notes, lastRecord }: RestartPoint): string {
    return packNote({ partitions: this.#around.partitions, lastRecord, topologies: notes })
  }

  /** @returns what of a chunk is not to be read again; `null`: nothing */
  #restore(chunk: Chunk): Chunk | null {
    const rest = this.#restoring.take(chunk)
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
