import { NO_RECORDS } from '../../records/log-records.ts'
import type { Chunk, TopicPartition } from '../../records/port.ts'
import { markOf, type RecordMark } from '../commit/checkpoint-metadata.ts'
import type { Entry, NewEntry } from '../commit/entry.ts'
import type { Ledger } from '../commit/in-flight.ts'
import type { WorkerConfig } from '../config.ts'
import type { RuntimeEvent } from '../events.ts'
import type { TaskSurroundings } from '../task-surroundings.ts'
import { Breaker } from './breaker.ts'
import { bytesInMemory, valueBytes } from './chunk-parts.ts'
import { IdleClock } from './idle-clock.ts'
import type { Task } from './task.ts'
import { Inlet } from './throttle.ts'

// After the committed offset: chunks go to the tasks, and what the tasks produce goes to the
// ledger.

/** What a {@link RunningPartition} needs of the worker around it. */
export interface RunningSurroundings
  extends Pick<TaskSurroundings, 'clock' | 'observer' | 'onFailed'> {
  readonly config: Pick<WorkerConfig, 'deadLetterBreakerPercent'>
}

/** What a {@link RunningPartition} runs, and from where. */
export interface Running {
  readonly partition: TopicPartition
  readonly tasks: readonly Task[]
  readonly ledger: Ledger
  readonly nextOffset: number
  /** The last record before that offset; `null`: it is not known. */
  readonly lastRecord: RecordMark | null
}

/** Processes the chunks of a partition after the committed offset. */
export class RunningPartition {
  readonly #of: Running
  readonly #around: RunningSurroundings
  /** `null`: no topology has `idleAfter`. */
  readonly #idle: IdleClock | null
  readonly #breaker: Breaker
  readonly #inlet: Inlet
  #nextOffset: number
  #lastRecord: RecordMark | null

  constructor(of: Running, around: RunningSurroundings) {
    this.#of = of
    this.#around = around
    this.#nextOffset = of.nextOffset
    this.#lastRecord = of.lastRecord
    const names = of.tasks.map(({ topology }) => topology.definition.name)
    this.#breaker = new Breaker(names, around.config.deadLetterBreakerPercent ?? 100)
    this.#inlet = new Inlet({
      clock: around.clock,
      isSlow: () => this.#breaker.isOpen,
      pass: (chunk) => this.#live(chunk),
      weigh: bytesInMemory,
      failed: (error) => around.onFailed(error),
    })
    this.#idle = this.#idleClock()
  }

  /** Size in memory of what is waiting to pass the breaker. */
  get bytes(): number {
    return this.#inlet.bytes
  }

  /** Is nothing waiting to pass the breaker? */
  get isIdle(): boolean {
    return this.#inlet.isEmpty
  }

  /** Processes a chunk, or makes it wait while the breaker is open. */
  process(chunk: Chunk): void {
    this.#inlet.add(chunk)
  }

  /** Called when the partition was read to its log end offset. */
  caughtUp(endOffset: number): void {
    for (const { topology } of this.#of.tasks) {
      const { name } = topology.definition
      this.#around.observer({ ...this.#consumed(name), records: 0, bytes: 0, endOffset })
    }
    this.#inlet.then(() => this.#idle?.caughtUp())
  }

  /** Follows an event of its tasks. */
  follow(event: RuntimeEvent): void {
    if (event.type !== 'processed' || !this.#breaker.took(event.topology, event.outcomes)) return
    const { isOpen, deadPercent } = this.#breaker
    const { partition } = this.#of
    this.#around.observer({ type: 'breaker', partition, isOpen, deadPercent })
  }

  /**
   * Advances time without a record, up to a watermark for each task, so that windows close.
   * Resolves when they have closed.
   */
  async pass(untilMs: (task: Task) => number): Promise<void> {
    const entry = this.#open({ records: NO_RECORDS, nextOffset: this.#nextOffset, bytes: 0 })
    await Promise.all(this.#of.tasks.map((task) => task.pass(untilMs(task), entry)))
  }

  /** From now on, chunks that are still waiting are not started. */
  stopTaking(): void {
    this.#inlet.drop()
  }

  /** The partition is revoked or lost. */
  drop(): void {
    this.#idle?.stop()
    this.#inlet.drop()
  }

  #live(chunk: Chunk): void {
    const { records, packed, nextOffset, endOffset } = chunk
    this.#idle?.came()
    if (records.length > 0) this.#lastRecord = markOf(records.at(records.length - 1))
    this.#nextOffset = nextOffset
    const entry = this.#open({ records, nextOffset, bytes: bytesInMemory(chunk) })
    const [count, bytes] = [packed?.count ?? records.length, valueBytes(chunk)]
    for (const task of this.#of.tasks) {
      const { name } = task.topology.definition
      const read = { ...this.#consumed(name), records: count, bytes, endOffset }
      this.#around.observer(read)
      task.process(chunk, entry)
    }
  }

  #open(chunk: Pick<NewEntry, 'records' | 'nextOffset' | 'bytes'>): Entry {
    const { ledger, tasks } = this.#of
    return ledger.open({ ...chunk, lastRecord: this.#lastRecord, tasks: tasks.length })
  }

  #consumed(topology: string) {
    return { type: 'consumed', topology, partition: this.#of.partition } as const
  }

  #idleClock(): IdleClock | null {
    const after = this.#of.tasks.flatMap((task) => {
      const { idleAfterMs } = task.topology.definition.source.watermark
      return idleAfterMs === null ? [] : [{ task, idleAfterMs }]
    })
    if (after.length === 0) return null
    return new IdleClock(after, this.#around.clock, (untilMs) =>
      this.pass((task) => untilMs.get(task) ?? Number.NEGATIVE_INFINITY),
    )
  }
}
