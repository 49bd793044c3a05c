import { firstFrom, NO_RECORDS } from '../../connect/log-records.ts'
import type { Assignment, Chunk, Loss, Pausable, TopicPartition } from '../../connect/port.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName, position } from '../../kernel/ids.ts'
import { Lifecycle, type LifecycleTable } from '../../kernel/lifecycle.ts'
import {
  type ChosenVariants,
  encodeMetadata,
  markOf,
  metadataAt,
  type NotedRange,
  type RecordMark,
} from '../commit/checkpoint-metadata.ts'
import type { Committable } from '../commit/committer.ts'
import {
  type ChunkInFlight,
  InFlight,
  type NewChunk,
  type RestartPoint,
} from '../commit/in-flight.ts'
import { planRestart } from '../commit/restart-plan.ts'
import type { SkippedRecords } from '../commit/skipped-records.ts'
import type { WorkerConfig } from '../config.ts'
import type { Observer, RuntimeEvent } from '../events.ts'
import type { TaskContext } from '../output/task-context.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { BoundedRange } from '../start/bounded-range.ts'
import { areNoted, variantsOf } from '../start/variants.ts'
import { bytesInMemory, chunkBefore, chunkFrom, valueBytes } from './chunks.ts'
import { IdleClock } from './idle-clock.ts'
import type { KeyWatch } from './key-watch.ts'
import { Task } from './task.ts'
import { Breaker, Throttle } from './throttle.ts'

// One assignment of a partition: a task for each topology that reads it, and the chunks in flight
// that they share, because a group commits one offset per partition. First it replays what windows
// need, without output (rules R1, R5), then it continues from the committed offset.

type PartitionState = 'restoring' | 'running' | 'revoked' | 'lost'

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

/** The worker around a partition. */
export interface PartitionContext extends TaskContext {
  readonly config: Pick<WorkerConfig, 'guarantee' | 'deadLetterBreakerPercent'>
  /** By topology name, for topologies that watch for keys in several partitions. */
  readonly keyWatches: ReadonlyMap<string, KeyWatch>
  /** `null`: the topology gives no record up, or has no windows to replay. */
  readonly skippedRecordsOf: (
    topology: PreparedTopology,
    assignment: Assignment,
  ) => SkippedRecords | null
  /** `null`: the topic is read without an end. */
  readonly range: Pick<BoundedRange, 'of'> | null
  readonly pausable: Pausable
  /** Called when the bytes in flight have changed. */
  onBytes(): void
}

export class AssignedPartition implements Committable {
  readonly partition: TopicPartition
  readonly epoch: number
  readonly pausable: Pausable
  readonly inFlight: InFlight
  readonly tasks: readonly Task[]
  /** Where reading begins. */
  readonly startOffset: number
  readonly #context: PartitionContext
  readonly #life: Lifecycle<PartitionState>
  readonly #variants: ChosenVariants
  readonly #breaker: Breaker
  readonly #throttle: Throttle
  readonly #idle: IdleClock
  /** `null`: there is nothing to replay, or the tasks have processed it. */
  #replay: Replay | null
  #nextOffset: number
  /** Where reading ends; `null`: it does not. */
  readonly #range: NotedRange | null
  /** Whether everything before that has come. */
  #isRead = false
  /** The last record before `#nextOffset`; `null`: it is not known. */
  #lastRecord: RecordMark | null

  constructor(
    topologies: readonly PreparedTopology[],
    assignment: Assignment,
    given: PartitionContext,
  ) {
    const { topic, partition, epoch, nextOffset } = assignment
    const { config, clock } = given
    this.partition = { topic, partition }
    this.epoch = epoch
    this.pausable = given.pausable
    this.inFlight = new InFlight(config.guarantee)
    this.#context = { ...given, observer: (event) => this.#observe(event, given.observer) }
    this.#life = new Lifecycle(`partition ${partitionName(assignment)}`, PARTITION)
    this.#variants = variantsOf(topologies)
    this.#nextOffset = nextOffset
    const metadata = metadataAt(assignment)
    this.#range = given.range?.of(assignment) ?? null
    this.#lastRecord = metadata?.lastRecord ?? null
    this.tasks = topologies.map((topology) => {
      const plan = planRestart(topology, assignment, metadata)
      const keyWatch = given.keyWatches.get(topology.definition.name) ?? null
      const skippedRecords = given.skippedRecordsOf(topology, assignment)
      const parts = { partition: this.partition, plan, keyWatch, skippedRecords }
      return new Task(topology, parts, this.#context)
    })
    const names = topologies.map(({ definition }) => definition.name)
    this.#breaker = new Breaker(names, config.deadLetterBreakerPercent ?? 100)
    this.#throttle = new Throttle({
      clock,
      isSlow: () => this.#breaker.isOpen,
      process: (chunk) => this.#processLive(chunk),
      failed: (error) => given.onFailed(error),
    })
    this.#idle = new IdleClock(this.tasks, this.#context, (untilMs) =>
      this.advance((task) => untilMs.get(task) ?? Number.NEGATIVE_INFINITY),
    )
    // The last record before the committed offset is always read again, to verify that the log is
    // still the same (rule R7).
    const offsets = this.tasks.map(({ plan }) => plan.from.offset)
    const start = Math.min(nextOffset, ...offsets, this.#lastRecord?.offset ?? nextOffset)
    this.startOffset = Math.max(start, assignment.lowOffset)
    const range = { partition: this.partition, from: this.startOffset, to: nextOffset }
    this.#replay =
      this.startOffset < nextOffset
        ? new Replay(this.tasks, { ...range, lastRecord: this.#lastRecord }, this.#context)
        : null
    for (const { labels } of this.tasks) {
      this.#context.observer({ type: 'assigned', ...labels, nextOffset })
    }
    if (this.#replay === null) this.#run()
    else this.#replay.tell()
    this.#endAt(this.startOffset)
    // Where a group begins is committed before anything is read: otherwise a worker that takes over
    // might begin at the other end of the log, or rebuild windows from elsewhere. The variants that
    // score are committed too, because a partition without events would name the old ones.
    const isNoted = this.#range === null || (metadata?.range ?? null) !== null
    if (assignment.metadata === null || !areNoted(this.#variants, metadata) || !isNoted)
      this.#commitOffset()
  }

  /** Whether its tasks are still processing what is replayed. */
  get isRestoring(): boolean {
    return this.#replay !== null
  }

  /** In memory. */
  get bytesInFlight(): number {
    return this.bytesToCommit + (this.#replay?.bytes ?? 0) + this.#throttle.bytes
  }

  /** The part that a commit would release. */
  get bytesToCommit(): number {
    return this.inFlight.bytes
  }

  get isIdle(): boolean {
    return this.inFlight.isEmpty && this.#throttle.isEmpty
  }

  /** Whether everything up to the end of its range is committed. */
  get isAtEnd(): boolean {
    return this.#range !== null && this.#nextOffset >= this.#range.end && this.isIdle
  }

  /**
   * Whether it is idle, or held up by what may last, so that the worker need not wait to leave.
   */
  get canLeave(): boolean {
    return this.isIdle || (this.inFlight.isBlocked && this.tasks.some((task) => task.isHeldUp))
  }

  /** Replays a chunk up to the committed offset, and processes it from there on. */
  process(all: Chunk): void {
    const chunk = this.#range === null ? all : upTo(all, this.#range.end)
    // Some more may follow when the partition is paused.
    if (!this.#isRead) this.#take(chunk)
    this.#endAt(chunk.nextOffset)
  }

  #take(chunk: Chunk): void {
    let live: Chunk | null = chunk
    if (this.#life.state === 'restoring') {
      const replay = this.#replay as Replay
      live = replay.process(chunk)
      if (replay.isRead) this.#run()
    }
    if (live !== null) this.#throttle.add(live)
  }

  /** Called when the partition was read to its end. */
  caughtUp(endOffset: number): void {
    if (this.#life.state === 'restoring') {
      const replay = this.#replay as Replay
      replay.caughtUp(endOffset)
      if (replay.isRead) this.#run()
    }
    const range = this.#range
    const toRead = Math.min(endOffset, range?.end ?? endOffset)
    const read = { records: 0, bytes: 0, endOffset: toRead }
    for (const { labels } of this.tasks) {
      this.#context.observer({ type: 'consumed', ...labels, ...read })
    }
    // The log goes on behind a range, so windows that are open there stay so.
    if (range === null) this.#throttle.after(() => this.#idle.caughtUp())
    else if (!this.#isRead && toRead >= range.end) {
      this.#throttle.after(() => {
        this.#nextOffset = range.end
        this.#commitOffset()
      })
    }
    this.#endAt(toRead)
  }

  /** Reads nothing more if the range ends at or before an offset up to which everything has come. */
  #endAt(nextOffset: number): void {
    if (this.#range === null || nextOffset < this.#range.end) return
    this.#isRead = true
    this.pausable.pause(this.partition)
  }

  #commitOffset(): void {
    void this.advance(() => Number.NEGATIVE_INFINITY)
  }

  /** Chunks that are still waiting are not started any more: the next owner reads them. */
  stopTaking(): void {
    this.#throttle.drop()
  }

  /**
   * Lets time pass without a record, up to a watermark for each task. Resolves when the windows
   * before it have closed.
   */
  async advance(untilMs: (task: Task) => number): Promise<void> {
    const added = this.#add({ records: NO_RECORDS, nextOffset: this.#nextOffset, bytes: 0 })
    await Promise.all(this.tasks.map((task) => task.advance(untilMs(task), added)))
  }

  /** The partition is gone, with everything in flight, and reports no more events. */
  drop(why: Loss | 'left'): void {
    this.#life.enter(why === 'expelled' || why === 'cut' ? 'lost' : 'revoked')
    this.#idle.stop()
    this.#throttle.drop()
    for (const task of this.tasks) task.drop()
    this.inFlight.drop()
  }

  metadata({ topologies, lastRecord }: RestartPoint): string {
    const { partitions } = this.#context
    const [variants, range] = [this.#variants, this.#range]
    return encodeMetadata({ partitions, lastRecord, topologies, variants, range })
  }

  /** Everything that is to be replayed is read; the tasks may still be processing it. */
  #run(): void {
    this.#life.enter('running')
    this.#endReplay().catch((error) => this.#context.onFailed(error))
  }

  async #endReplay(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.replayed(this.#nextOffset)))
    const replay = this.#replay
    this.#replay = null
    replay?.tellEnd()
  }

  #processLive(chunk: Chunk): void {
    const { records, packed, nextOffset, endOffset } = chunk
    this.#idle.came()
    if (records.length > 0) this.#lastRecord = markOf(records.at(records.length - 1))
    this.#nextOffset = nextOffset
    const added = this.#add({ records, nextOffset, bytes: bytesInMemory(chunk) })
    const read = { records: packed?.count ?? records.length, bytes: valueBytes(chunk), endOffset }
    for (const task of this.tasks) {
      this.#context.observer({ type: 'consumed', ...task.labels, ...read })
      task.process(chunk, added)
    }
  }

  #add(chunk: Pick<NewChunk, 'records' | 'nextOffset' | 'bytes'>): ChunkInFlight {
    return this.inFlight.add({ ...chunk, lastRecord: this.#lastRecord, tasks: this.tasks.length })
  }

  #observe(event: RuntimeEvent, observer: Observer): void {
    if (this.#life.isOver) return
    observer(event)
    if (event.type !== 'processed' || !this.#breaker.took(event.topology, event.outcomes)) return
    const { isOpen, deadPercent } = this.#breaker
    const { partition } = this
    const reason = `${Math.floor(deadPercent)} % of the last records of ${partitionName(partition)} are dead letters: it continues at 100 a second`
    const trouble = { type: 'trouble', kind: 'breaker', partition } as const
    this.#context.observer({ ...trouble, reason: isOpen ? reason : null })
  }
}

/** The part of a chunk before an offset, at which the log seems to end. */
function upTo(chunk: Chunk, end: number): Chunk {
  const within = chunk.nextOffset <= end ? chunk : chunkBefore(chunk, end)
  return { ...within, endOffset: Math.min(chunk.endOffset, end) }
}

interface ReplayRange {
  readonly partition: TopicPartition
  readonly from: number
  /** The committed offset, where output begins. */
  readonly to: number
  /** The last record before it, as it was committed; `null`: it is not known. */
  readonly lastRecord: RecordMark | null
}

/** Replays what windows need, up to the committed offset, without output. */
class Replay {
  readonly #tasks: readonly Task[]
  readonly #range: ReplayRange
  readonly #context: PartitionContext
  readonly #startedMs: number
  /** The next offset to replay. */
  #position: number
  /** Size of what the tasks have not processed yet. */
  bytes = 0

  constructor(tasks: readonly Task[], range: ReplayRange, context: PartitionContext) {
    this.#tasks = tasks
    this.#range = range
    this.#context = context
    this.#startedMs = context.clock.elapsedMs()
    this.#position = range.from
  }

  get isRead(): boolean {
    return this.#position >= this.#range.to
  }

  /**
   * @returns the part after the committed offset; `null`: there is none
   * @throws TidemarkError `TOPIC_CHANGED`: the last record before that offset is another one
   */
  process(chunk: Chunk): Chunk | null {
    const { to } = this.#range
    if (chunk.nextOffset <= to) {
      this.#replay(chunk)
      return null
    }
    this.#replay(chunkBefore(chunk, to))
    return chunkFrom(chunk, to)
  }

  /**
   * Called when the partition was read to its end: offsets without records, such as those of
   * transaction markers, may precede the committed one.
   */
  caughtUp(endOffset: number): void {
    this.#position = Math.max(this.#position, endOffset)
  }

  tell(): void {
    const offsets = { nextOffset: this.#position, toOffset: this.#range.to }
    for (const { labels, plan } of this.#tasks) {
      const { from, reason } = plan
      const at = { fromOffset: from.offset, ...offsets }
      this.#context.observer({ type: 'restoring', ...labels, ...at, reason })
    }
  }

  tellEnd(): void {
    const { clock, observer } = this.#context
    const durationMs = clock.elapsedMs() - this.#startedMs
    for (const { labels, restored: records, windows } of this.#tasks) {
      observer({ type: 'restored', ...labels, ...windows, records, durationMs })
    }
  }

  #replay(chunk: Chunk): void {
    this.#checkLastRecord(chunk)
    this.#position = chunk.nextOffset
    const bytes = bytesInMemory(chunk)
    this.bytes += bytes
    this.#replayTasks(chunk, bytes).catch((error) => this.#context.onFailed(error))
    this.tell()
  }

  async #replayTasks(chunk: Chunk, bytes: number): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.replay(chunk)))
    this.bytes -= bytes
    this.#context.onBytes()
  }

  /** @throws TidemarkError as {@link process} */
  #checkLastRecord({ records, nextOffset }: Chunk): void {
    const { partition: range, lastRecord: mark } = this.#range
    if (mark === null || this.#position > mark.offset || mark.offset >= nextOffset) return
    const at = firstFrom(records, mark.offset)
    const found = at < records.length ? markOf(records.at(at)) : null
    if (found?.offset === mark.offset && found.checksum === mark.checksum) return
    const message =
      'another record is at this offset than when this group committed: the topic was deleted and recreated'
    const where = position(range.topic, range.partition, mark.offset)
    const hint =
      'read it with another group (--group), or delete this one: its committed offsets belong to a log that no longer exists'
    throw new TidemarkError('TOPIC_CHANGED', message, { where, hint })
  }
}
