import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { firstFrom } from '../../records/log-records.ts'
import type { Assignment, Chunk, TopicPartition } from '../../records/port.ts'
import { markOf, type RecordMark } from '../commit/checkpoint-metadata.ts'
import type { RestartPlan } from '../commit/restart-plan.ts'
import type { TaskSurroundings } from '../task-surroundings.ts'
import { behind, bytesInMemory, upTo } from './chunk-parts.ts'
import type { Task } from './task.ts'

// Replays what windows need, up to the committed offset, without output (rules R1, R5).

/** What a {@link RestoringPartition} needs of the worker around it. */
export interface RestoringSurroundings
  extends Pick<TaskSurroundings, 'clock' | 'observer' | 'onFailed'> {
  /** Called when the bytes in flight have changed. */
  onFlow(): void
}

/** A task, and how its windows are restored. */
export interface Planned {
  readonly task: Task
  readonly plan: RestartPlan
}

/** Restores the windows of a partition. */
export class RestoringPartition {
  /** Offset at which reading begins. */
  readonly startOffset: number
  readonly #partition: TopicPartition
  readonly #planned: readonly Planned[]
  readonly #around: RestoringSurroundings
  /** The committed offset; output begins here. */
  readonly #committedOffset: number
  /**
   * The last record before the committed offset, as noted when it was committed; `null`: it was not
   * noted.
   */
  readonly #lastRecord: RecordMark | null
  readonly #startedMs: number
  /** Records that each task has replayed. */
  readonly #reread: number[]
  /** The next offset to replay. */
  #position: number
  #bytes = 0
  #isOver = false

  constructor(
    { topic, partition, nextOffset, lowOffset }: Assignment,
    {
      planned,
      lastRecord,
    }: { readonly planned: readonly Planned[]; readonly lastRecord: RecordMark | null },
    around: RestoringSurroundings,
  ) {
    this.#partition = { topic, partition }
    this.#planned = planned
    this.#around = around
    this.#committedOffset = nextOffset
    this.#lastRecord = lastRecord
    this.#startedMs = around.clock.elapsedMs()
    this.#reread = planned.map(() => 0)
    const offsets = planned.map(({ plan }) => plan.from.offset)
    // The last record before the committed offset is always read again, to verify that the log is
    // still the same (rule R7).
    const start = Math.min(nextOffset, ...offsets, lastRecord?.offset ?? nextOffset)
    this.startOffset = Math.max(start, lowOffset)
    this.#position = this.startOffset
  }

  /** Has everything been read that is to be replayed? Tasks may still be processing it. */
  get isDone(): boolean {
    return this.#position >= this.#committedOffset
  }

  /** Have all tasks processed what was to be replayed, if there was anything? */
  get isOver(): boolean {
    return this.#isOver || this.startOffset >= this.#committedOffset
  }

  /** Size of what has been read but not yet processed by the tasks. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Replays a chunk.
   * @returns the part after the committed offset; `null`: there is none
   * @throws TidemarkError `TOPIC_CHANGED`: the last record before the committed offset is not the
   * one that was there
   */
  replay(chunk: Chunk): Chunk | null {
    const at = this.#committedOffset
    if (chunk.nextOffset <= at) {
      this.#replay(chunk)
      return null
    }
    this.#replay(upTo(chunk, at))
    return behind(chunk, at)
  }

  /**
   * Called when the partition was read to its log end offset. Offsets without records, such as
   * those of transaction markers, may precede the committed one.
   */
  caughtUp(endOffset: number): void {
    this.#position = Math.max(this.#position, endOffset)
  }

  /** Reports the progress of the replay. */
  tell(): void {
    for (const { task, plan } of this.#planned) {
      this.#around.observer({
        type: 'restoring',
        topology: task.topology.definition.name,
        partition: this.#partition,
        fromOffset: plan.from.offset,
        nextOffset: this.#position,
        toOffset: this.#committedOffset,
        reason: plan.reason,
      })
    }
  }

  /** Resolves when the tasks have processed everything that was replayed. */
  async end(): Promise<void> {
    await Promise.all(this.#planned.map(({ task }) => task.replayed(this.#committedOffset)))
    this.#isOver = true
    if (this.startOffset >= this.#committedOffset) return
    const { clock, observer } = this.#around
    for (const [i, { task }] of this.#planned.entries()) {
      observer({
        type: 'restored',
        topology: task.topology.definition.name,
        partition: this.#partition,
        records: this.#reread[i] ?? 0,
        durationMs: clock.elapsedMs() - this.#startedMs,
      })
    }
  }

  #replay(chunk: Chunk): void {
    this.#checkLastRecord(chunk)
    this.#position = chunk.nextOffset
    const bytes = bytesInMemory(chunk)
    this.#bytes += bytes
    this.#replayTasks(chunk, bytes).catch((error) => this.#around.onFailed(error))
    this.tell()
  }

  async #replayTasks(chunk: Chunk, bytes: number): Promise<void> {
    const taken = await Promise.all(this.#planned.map(({ task }) => task.replay(chunk)))
    for (const [i, records] of taken.entries()) this.#reread[i] = (this.#reread[i] ?? 0) + records
    this.#bytes -= bytes
    this.#around.onFlow()
  }

  /** @throws TidemarkError as {@link replay} */
  #checkLastRecord(chunk: Chunk): void {
    const mark = this.#lastRecord
    if (mark === null || this.#position > mark.offset || mark.offset >= chunk.nextOffset) return
    const { records } = chunk
    const at = firstFrom(records, mark.offset)
    const found = at < records.length ? markOf(records.at(at)) : null
    if (found?.offset === mark.offset && found.checksum === mark.checksum) return
    const { topic, partition } = this.#partition
    throw new TidemarkError(
      'TOPIC_CHANGED',
      'another record is at this offset than when this group committed: the topic was deleted and recreated',
      {
        where: position(topic, partition, mark.offset),
        hint: 'read it with another group (--group), or delete this one: its committed offsets belong to a log that no longer exists',
      },
    )
  }
}
