import { TidemarkError } from '../kernel/errors.ts'
import { position } from '../kernel/ids.ts'
import { firstFrom } from '../records/log-records.ts'
import type { Assignment, Chunk, TopicPartition } from '../records/port.ts'
import { behind, bytesInMemory, upTo } from './chunk-parts.ts'
import { markOf, type RecordMark } from './restart-note.ts'
import type { RestartPlan } from './restart-plan.ts'
import type { Task } from './task.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

// What windows need is read again up to the committed offset, without output (rules R1, R5).

/** Records that are read again in a millisecond, before it is known how many they are here. */
const GUESSED_PACE = 30

export interface RestoringSurroundings
  extends Pick<TaskSurroundings, 'clock' | 'observer' | 'onFailed'> {
  /** So much more, or less, is on its way. */
  onFlow(): void
}

/** A task, and how its windows are to be made again. */
export interface Planned {
  readonly task: Task
  readonly plan: RestartPlan
}

export class RestoringPartition {
  /** Where reading begins. */
  readonly startOffset: number
  readonly #partition: TopicPartition
  readonly #planned: readonly Planned[]
  readonly #around: RestoringSurroundings
  /** What the group has finished; output begins here. */
  readonly #committedOffset: number
  /**
   * The last record before the committed offset, as it was when that was committed; `null`: nobody
   * has noted it.
   */
  readonly #lastRecord: RecordMark | null
  readonly #startedMs: number
  /** By task, the records that it has read again. */
  readonly #reread: number[]
  /** How far it has been read again. */
  #position: number
  #bytes = 0

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
    // The last record before the committed offset is always read again: it shows that the log is
    // still the same (rule R7).
    const start = Math.min(nextOffset, ...offsets, lastRecord?.offset ?? nextOffset)
    this.startOffset = Math.max(start, lowOffset)
    this.#position = this.startOffset
  }

  /** Has all been read that was to be read again? Tasks may still be at it. */
  get isDone(): boolean {
    return this.#position >= this.#committedOffset
  }

  /** Size of what has been read and not been taken by the tasks yet. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Reads a chunk again.
   * @returns what lies behind the committed offset; `null`: nothing does
   * @throws TidemarkError `TOPIC_CHANGED`: another record stands where the last one before the
   * committed offset stood
   */
  take(chunk: Chunk): Chunk | null {
    const at = this.#committedOffset
    if (chunk.nextOffset <= at) {
      this.#replay(chunk)
      return null
    }
    this.#replay(upTo(chunk, at))
    return behind(chunk, at)
  }

  /**
   * It was read to its end. Offsets without records, such as those of markers, may lie before the
   * committed one.
   */
  caughtUp(endOffset: number): void {
    this.#position = Math.max(this.#position, endOffset)
  }

  /** Tells that it reads again, as long as it does. */
  tell(): void {
    for (const { task, plan } of this.#planned) {
      this.#around.observer({
        type: 'restoring',
        topology: task.topology.definition.name,
        partition: this.#partition,
        fromOffset: plan.from.offset,
        nextOffset: this.#position,
        toOffset: this.#committedOffset,
        leftMs: this.#leftMs(),
        reason: plan.reason,
      })
    }
  }

  /** Resolves when the tasks have taken all that was read again. */
  async end(): Promise<void> {
    await Promise.all(this.#planned.map(({ task }) => task.replayed(this.#committedOffset)))
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

  /** @throws TidemarkError as {@link take} */
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
      'another record stands here than when this group committed: the topic was made anew',
      {
        where: position(topic, partition, mark.offset),
        hint: 'let another group read it (--group), or delete this one: what it has committed is of a log that is gone',
      },
    )
  }

  /** About how long it takes to read again what is left. */
  #leftMs(): number {
    const read = this.#position - this.startOffset
    const tookMs = this.#around.clock.elapsedMs() - this.#startedMs
    const pace = read > 0 && tookMs > 0 ? read / tookMs : GUESSED_PACE
    return (this.#committedOffset - this.#position) / pace
  }
}
