import type { Clock } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../records/partition-name.ts'
import type { Assignment, Chunk, Member, TopicPartition } from '../records/port.ts'
import type { Observer } from './events.ts'
import type { PreparedTopology } from './prepare.ts'
import { Task } from './task.ts'

// The tasks of a worker as the group assigns them, and the flow of chunks to each.

/**
 * What one task may have on its way, bytes; beyond that its partition is paused, never buffered without bound. Bytes, not
 * chunks: under light load chunks are a few records, and a pause costs more than they do.
 */
const PAUSE_AT = 4 * 1024 * 1024
/** It flows again when so little is left. */
const RESUME_AT = PAUSE_AT / 2

export interface TasksOptions {
  readonly topologies: readonly PreparedTopology[]
  readonly observer: Observer
  readonly clock: Clock
  readonly maxBytes: (topic: string) => number
  /** Something changed: a chunk is finished, a task came or went. */
  onChange(): void
  onError(error: unknown): void
}

export class Tasks {
  readonly #o: TasksOptions
  readonly #byTopic: ReadonlyMap<string, PreparedTopology>
  readonly #tasks = new Map<string, Task>()
  readonly #paused = new Set<Task>()
  #member: Member | null = null

  constructor(options: TasksOptions) {
    this.#o = options
    this.#byTopic = new Map(options.topologies.map((t) => [t.definition.source.topic, t]))
  }

  /** The tasks that this worker owns now. */
  all(): Iterable<Task> {
    return this.#tasks.values()
  }

  /** From here on the flow can be stopped. */
  joined(member: Member): void {
    this.#member = member
    for (const task of this.#tasks.values()) this.adjustFlow(task)
  }

  /** @returns where reading begins */
  assigned(assignment: Assignment): number {
    const { topic, nextOffset } = assignment
    const topology = this.#byTopic.get(topic)
    if (topology === undefined) {
      throw new TidemarkError('INVARIANT', `assigned "${topic}", which no topology reads`)
    }
    const task = new Task(topology, assignment, {
      clock: this.#o.clock,
      observer: this.#o.observer,
      maxBytes: this.#o.maxBytes,
      onFinished: () => this.#o.onChange(),
      onFailed: (error) => this.#o.onError(error),
    })
    this.#tasks.set(partitionName(assignment), task)
    const { partition } = task
    this.#o.observer({
      type: 'assigned',
      topology: topology.definition.name,
      partition,
      nextOffset,
    })
    this.#o.onChange()
    return nextOffset
  }

  /** Drops tasks with all they had pending. */
  lost(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const task = this.#tasks.get(partitionName(partition))
      if (task === undefined) continue
      this.#tasks.delete(partitionName(partition))
      this.#paused.delete(task)
      const topology = task.topology.definition.name
      this.#o.observer({ type: 'lost', topology, partition: task.partition })
    }
    this.#o.onChange()
  }

  /** Drops all tasks. */
  loseAll(): void {
    this.lost([...this.#tasks.values()].map((task) => task.partition))
  }

  /** Hands a chunk to its task; one of an older assignment is worthless. */
  take(chunk: Chunk): void {
    const task = this.#tasks.get(partitionName(chunk))
    if (task === undefined || task.epoch !== chunk.epoch) return
    task.take(chunk)
    this.adjustFlow(task)
  }

  /** A partition was read to its end: its lag is known though nothing came. */
  caughtUp(partition: TopicPartition, endOffset: number): void {
    const topology = this.#tasks.get(partitionName(partition))?.topology.definition.name
    if (topology === undefined) return
    this.#o.observer({ type: 'consumed', topology, partition, records: 0, bytes: 0, endOffset })
  }

  /** Stops or starts the flow to a task by what it has on its way. */
  adjustFlow(task: Task): void {
    // A task that was lost while its commit was on the way must not stop its successor's flow.
    const isCurrent = this.#tasks.get(partitionName(task.partition)) === task
    if (this.#member === null || !isCurrent) return
    const { bytesInFlight } = task.ledger
    if (bytesInFlight >= PAUSE_AT && !this.#paused.has(task)) {
      this.#paused.add(task)
      this.#member.pause(task.partition)
    } else if (bytesInFlight <= RESUME_AT && this.#paused.has(task)) {
      this.#paused.delete(task)
      this.#member.resume(task.partition)
    }
  }

  /** Is everything that was taken committed? */
  get idle(): boolean {
    return [...this.#tasks.values()].every((task) => task.ledger.inFlight === 0)
  }
}
