import { TidemarkError } from '../kernel/errors.ts'
import { partitionName, position } from '../kernel/ids.ts'
import { Lifecycle, type LifecycleTable } from '../kernel/lifecycle.ts'
import { firstFrom, NO_RECORDS } from '../records/log-records.ts'
import type { Assignment, Chunk, Guarantee, Loss, TopicPartition } from '../records/port.ts'
import { Breaker } from './breaker.ts'
import { behind, bytesInMemory, upTo, valueBytes } from './chunk-parts.ts'
import type { Entry, NewEntry, RestartPoint } from './entry.ts'
import type { RuntimeEvent } from './events.ts'
import { IdleClock } from './idle-clock.ts'
import { Inlet } from './inlet.ts'
import type { KeyWatch } from './key-watch.ts'
import { Ledger } from './ledger.ts'
import type { PreparedTopology } from './prepare.ts'
import { markOf, packNote, type RecordMark, type RestartNote } from './restart-note.ts'
import { noteOf, planRestart, type RestartPlan } from './restart-plan.ts'
import { Task } from './task.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

/** What a partition goes through in one assignment. */
export const PARTITION: LifecycleTable<'restoring' | 'running' | 'revoked' | 'lost'> = {
  first: 'restoring',
  next: {
    restoring: {
      running: 'what windows need is read again',
      revoked: 'it goes to another worker, or this one leaves',
      lost: 'the group went on without this worker, or its log was cut',
    },
    running: {
      revoked: 'it goes to another worker, or this one leaves',
      lost: 'the group went on without this worker',
    },
    revoked: {},
    lost: {},
  },
}

// One assignment of a partition: a task for each topology that reads it, and the ledger they share, since a group keeps one
// offset a partition. First it reads again what windows need, then it goes on where the group had come to.

/** Records that are read again in a millisecond, before it is known how many they are here. */
const GUESSED_PACE = 30

export interface PartitionSurroundings extends TaskSurroundings {
  readonly guarantee: Guarantee
  /** Of the last 1,000 records, more dead letters than that slow a partition down, %; `null`: none do. */
  readonly breakerPercent: number | null
  /** By topology, of those that look out for keys in several partitions. */
  readonly keyWatches: ReadonlyMap<string, KeyWatch>
  /** So much more, or less, is on its way. */
  onFlow(): void
}

export class AssignedPartition {
  readonly partition: TopicPartition
  readonly epoch: number
  readonly ledger: Ledger
  readonly tasks: readonly Task[]
  /** Where reading begins. */
  readonly startOffset: number
  readonly #around: PartitionSurroundings
  readonly #plans: readonly RestartPlan[]
  /** What the group has finished; output begins here. */
  readonly #committedOffset: number
  readonly #note: RestartNote | null
  readonly #startedMs: number
  readonly #idle: IdleClock | null
  readonly #breaker: Breaker
  readonly #inlet: Inlet
  /** By task, the records that it has read again. */
  readonly #reread: number[]
  /** Size of what is read again and not taken yet. */
  #replayBytes = 0
  readonly #life: Lifecycle<'restoring' | 'running' | 'revoked' | 'lost'>
  /** How far it has been read again. */
  #position: number
  #nextOffset: number
  #lastRecord: RecordMark | null

  constructor(
    topologies: readonly PreparedTopology[],
    assignment: Assignment,
    around: PartitionSurroundings,
  ) {
    const { topic, partition, epoch, nextOffset, lowOffset, metadata } = assignment
    const note = noteOf(assignment)
    this.partition = { topic, partition }
    this.#life = new Lifecycle(`partition ${partitionName(assignment)}`, PARTITION)
    this.epoch = epoch
    const names = topologies.map(({ definition }) => definition.name)
    this.#breaker = new Breaker(names, around.breakerPercent ?? 100)
    this.#around = { ...around, observer: (event) => this.#observe(event, around) }
    this.#inlet = new Inlet({
      clock: around.clock,
      isSlow: () => this.#breaker.isOpen,
      pass: (chunk) => this.#live(chunk),
      weigh: bytesInMemory,
      failed: (error) => around.onFailed(error),
    })
    this.ledger = new Ledger(around.guarantee)
    this.#committedOffset = nextOffset
    this.#note = note
    this.#lastRecord = note?.lastRecord ?? null
    this.#nextOffset = nextOffset
    this.#plans = topologies.map((topology) => planRestart(topology, assignment, note))
    this.tasks = topologies.map(
      (topology, i) =>
        new Task(
          topology,
          {
            partition: this.partition,
            plan: this.#plans[i] as RestartPlan,
            keyWatch: around.keyWatches.get(topology.definition.name) ?? null,
          },
          this.#around,
        ),
    )
    const offsets = this.#plans.map((plan) => plan.from.offset)
    // The last record before the committed offset is always read again: it shows that the log is still the same.
    const start = Math.min(nextOffset, ...offsets, this.#lastRecord?.offset ?? nextOffset)
    this.startOffset = Math.max(start, lowOffset)
    this.#position = this.startOffset
    this.#reread = topologies.map(() => 0)
    this.#startedMs = around.clock.elapsedMs()
    this.#idle = this.#idleClock(topologies)
    this.#begin(metadata)
  }

  /** Size of what is on its way. */
  get bytesInFlight(): number {
    return this.bytesToCommit + this.#replayBytes + this.#inlet.bytes
  }

  /** Size of what is on its way to a commit. */
  get bytesToCommit(): number {
    return this.ledger.bytesInFlight
  }

  /** Is nothing of it on its way to a commit? */
  get isIdle(): boolean {
    return this.ledger.isEmpty && this.#inlet.isEmpty
  }

  take(chunk: Chunk): void {
    const at = this.#committedOffset
    if (this.#life.state !== 'restoring') this.#inlet.take(chunk)
    else if (chunk.nextOffset <= at) this.#replay(chunk)
    else {
      this.#replay(upTo(chunk, at))
      this.#inlet.take(behind(chunk, at))
    }
  }

  /** It was read to its end. */
  caughtUp(endOffset: number): void {
    // Offsets without records, such as those of markers, may lie before the committed one.
    if (this.#life.state === 'restoring' && endOffset >= this.#committedOffset) this.#restored()
    for (const { topology } of this.tasks) {
      const { name } = topology.definition
      this.#around.observer({ ...this.#consumed(name), records: 0, bytes: 0, endOffset })
    }
    this.#inlet.then(() => this.#idle?.caughtUp())
  }

  /** Nothing more of it is begun. */
  stopTaking(): void {
    this.#inlet.drop()
  }

  /** Time has passed without a record, up to a watermark for each task; windows close. Resolves when they have. */
  async pass(untilMs: (task: Task) => number): Promise<void> {
    const entry = this.#open({ records: NO_RECORDS, nextOffset: this.#nextOffset, bytes: 0 })
    await Promise.all(this.tasks.map((task) => task.pass(untilMs(task), entry)))
  }

  /** It is gone, with all it had on its way: it tells nothing any more. */
  drop(why: Loss | 'left'): void {
    this.#life.enter(why === 'expelled' || why === 'cut' ? 'lost' : 'revoked')
    this.#idle?.stop()
    this.#inlet.drop()
    for (const task of this.tasks) task.drop()
    this.ledger.drop()
  }

  /** What stands beside an offset that is committed. */
  metadata({ notes, lastRecord }: RestartPoint): string {
    return packNote({ partitions: this.#around.partitions, lastRecord, topologies: notes })
  }

  #begin(metadata: string | null): void {
    for (const { topology } of this.tasks) {
      const { name } = topology.definition
      const nextOffset = this.#committedOffset
      this.#around.observer({
        type: 'assigned',
        topology: name,
        partition: this.partition,
        nextOffset,
      })
    }
    if (this.startOffset >= this.#committedOffset) this.#restored()
    else this.#tellRestoring(this.startOffset)
    // Where a group begins is settled before anything is read: else a worker that follows begins at another end of the log. It says
    // how its windows are to be had, so that one that follows goes on making them.
    if (metadata === null) void this.pass(() => Number.NEGATIVE_INFINITY)
  }

  #observe(event: RuntimeEvent, { observer }: PartitionSurroundings): void {
    if (this.#life.isOver) return
    observer(event)
    if (event.type !== 'processed' || !this.#breaker.took(event.topology, event.outcomes)) return
    const { isOpen, deadPercent } = this.#breaker
    observer({ type: 'breaker', partition: this.partition, isOpen, deadPercent })
  }

  #live(chunk: Chunk): void {
    const { records, packed, nextOffset, endOffset } = chunk
    this.#idle?.came()
    if (records.length > 0) this.#lastRecord = markOf(records.at(records.length - 1))
    this.#nextOffset = nextOffset
    const entry = this.#open({ records, nextOffset, bytes: bytesInMemory(chunk) })
    const [count, bytes] = [packed?.count ?? records.length, valueBytes(chunk)]
    for (const task of this.tasks) {
      const { name } = task.topology.definition
      const read = { ...this.#consumed(name), records: count, bytes, endOffset }
      this.#around.observer(read)
      task.take(chunk, entry)
    }
  }

  #open(chunk: Pick<NewEntry, 'records' | 'nextOffset' | 'bytes'>): Entry {
    const lastRecord = this.#lastRecord
    return this.ledger.open({ ...chunk, lastRecord, tasks: this.tasks.length })
  }

  #replay(chunk: Chunk): void {
    this.#checkLastRecord(chunk)
    const bytes = bytesInMemory(chunk)
    this.#replayBytes += bytes
    this.#replayTasks(chunk, bytes).catch((error) => this.#around.onFailed(error))
    this.#tellRestoring(chunk.nextOffset)
    if (chunk.nextOffset >= this.#committedOffset) this.#restored()
  }

  async #replayTasks(chunk: Chunk, bytes: number): Promise<void> {
    const taken = await Promise.all(this.tasks.map((task) => task.replay(chunk)))
    for (const [i, records] of taken.entries()) this.#reread[i] = (this.#reread[i] ?? 0) + records
    this.#replayBytes -= bytes
    this.#around.onFlow()
  }

  /** @throws TidemarkError `TOPIC_CHANGED`: another record stands where the last one before the committed offset stood */
  #checkLastRecord(chunk: Chunk): void {
    const mark = this.#note?.lastRecord ?? null
    const passes = mark !== null && this.#position <= mark.offset && mark.offset < chunk.nextOffset
    this.#position = chunk.nextOffset
    if (!passes) return
    const { records } = chunk
    const at = firstFrom(records, mark.offset)
    const found = at < records.length ? markOf(records.at(at)) : null
    if (found?.offset === mark.offset && found.checksum === mark.checksum) return
    const { topic, partition } = this.partition
    throw new TidemarkError(
      'TOPIC_CHANGED',
      'another record stands here than when this group committed: the topic was made anew',
      {
        where: position(topic, partition, mark.offset),
        hint: 'let another group read it (--group), or delete this one: what it has committed is of a log that is gone',
      },
    )
  }

  #restored(): void {
    this.#life.enter('running')
    this.#endRestore().catch((error) => this.#around.onFailed(error))
  }

  async #endRestore(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.replayed(this.#committedOffset)))
    if (this.startOffset >= this.#committedOffset) return
    const { clock, observer } = this.#around
    for (const [i, { topology }] of this.tasks.entries()) {
      observer({
        type: 'restored',
        topology: topology.definition.name,
        partition: this.partition,
        records: this.#reread[i] ?? 0,
        durationMs: clock.elapsedMs() - this.#startedMs,
      })
    }
  }

  #tellRestoring(nextOffset: number): void {
    for (const [i, { topology }] of this.tasks.entries()) {
      const { from, reason } = this.#plans[i] as RestartPlan
      this.#around.observer({
        type: 'restoring',
        topology: topology.definition.name,
        partition: this.partition,
        fromOffset: from.offset,
        nextOffset,
        toOffset: this.#committedOffset,
        leftMs: this.#leftMs(nextOffset),
        reason,
      })
    }
  }

  /** About how long it takes to read again what is left. */
  #leftMs(nextOffset: number): number {
    const read = nextOffset - this.startOffset
    const tookMs = this.#around.clock.elapsedMs() - this.#startedMs
    const pace = read > 0 && tookMs > 0 ? read / tookMs : GUESSED_PACE
    return (this.#committedOffset - nextOffset) / pace
  }

  #consumed(topology: string) {
    return { type: 'consumed', topology, partition: this.partition } as const
  }

  #idleClock(topologies: readonly PreparedTopology[]): IdleClock | null {
    const after = topologies.flatMap(({ definition }, i) => {
      const { idleAfterMs } = definition.source.watermark
      return idleAfterMs === null ? [] : [{ task: this.tasks[i] as Task, idleAfterMs }]
    })
    if (after.length === 0) return null
    return new IdleClock(after, this.#around.clock, (untilMs) =>
      this.pass((task) => untilMs.get(task) ?? Number.NEGATIVE_INFINITY),
    )
  }
}
