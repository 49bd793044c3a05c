import { setImmediate as nextTurn } from 'node:timers/promises'
import { ConditionVariable } from '../kernel/condition-variable.ts'
import { seeded } from '../kernel/random.ts'
import { committingThrough } from '../records/committing-through.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Guarantee, Records } from '../records/port.ts'
import type { Outcomes, RuntimeEvent } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/outcomes.ts'
import type { Prepared } from '../runtime/prepare.ts'
import { startWorker, type Worker } from '../runtime/worker.ts'
import type { VirtualClock } from './virtual-clock.ts'

const GROUP = 'test'

/** What a worker has reported about records so far. */
export interface Tally {
  readonly outcomes: Outcomes
  /** By partition, ms since the epoch. */
  readonly watermarksMs: ReadonlyMap<number, number>
}

/** The tally before any record. */
export const NOTHING_YET: Tally = { outcomes: NO_OUTCOMES, watermarksMs: new Map() }

/** What a {@link Life} works with. */
export interface LifeOptions {
  readonly prepared: Prepared
  readonly records: MemoryRecords
  readonly source: { readonly topic: string; readonly partitions: number }
  readonly clock: VirtualClock
  readonly guarantee: Guarantee
  /** The tally of the lives before this one. */
  readonly tally: Tally
}

/** One run of the driver's worker, from its start until it stops or dies. */
export class Life {
  readonly #o: LifeOptions
  readonly #records: Records
  /** If set, no commit is finished any more, as if the worker died in the middle of one. */
  #withholds = false
  readonly #worker: Worker
  readonly #changed = new ConditionVariable()
  /** Partition → the log end offset up to which it was read. */
  readonly #readTo = new Map<number, number>()
  /** Partitions that are being restored. */
  readonly #restoring = new Set<number>()
  #tally: Tally

  constructor(options: LifeOptions) {
    const { prepared, records, clock, guarantee, tally } = options
    this.#o = options
    this.#tally = tally
    this.#records = committingThrough(records, async (commit, member) => {
      if (!this.#withholds) await member.commit(commit)
      else if (guarantee === 'at-least-once') await member.commit({ ...commit, nextOffsets: [] })
    })
    this.#worker = startWorker({
      prepared,
      records: this.#records,
      group: GROUP,
      guarantee,
      clock,
      random: seeded(1),
      observer: (event) => this.#observe(event),
    })
  }

  get tally(): Tally {
    return this.#tally
  }

  /**
   * Resolves when nothing more happens until records arrive or time passes; rejects with what ended
   * the worker.
   */
  async settled(): Promise<void> {
    await Promise.race([this.#changed.until(() => this.#isReadToItsEnd), this.#worker.done])
    // By then, everything that the clock woke has started.
    await nextTurn()
    await this.#worker.settled()
  }

  /** Lets `ms` pass, stopping at each moment at which a timer is due. */
  async advance(ms: number): Promise<void> {
    const { clock } = this.#o
    const untilMs = clock.nowMs() + ms
    while (clock.step(untilMs)) await this.settled()
  }

  /** Closes every open tumbling window; resolves when the results are committed. */
  closeWindows(): Promise<void> {
    return this.#worker.closeWindows()
  }

  /** Waits until all is processed, then stops the worker. */
  async stop(): Promise<void> {
    await this.settled()
    await this.#worker.stop()
  }

  /**
   * From here on no commit is finished. Under at-least-once the outputs are written but the offsets
   * are not; under exactly-once nothing is.
   */
  withholdCommits(): void {
    this.#withholds = true
  }

  /**
   * Ends the worker as `kill -9` does. Its clock must not be moved afterwards: code that sleeps on
   * it never wakes.
   */
  die(): void {
    this.#o.records.crash()
  }

  get #isReadToItsEnd(): boolean {
    const { records, source } = this.#o
    const { topic, partitions } = source
    if (this.#restoring.size > 0 || !this.#areTablesRead) return false
    return Array.from({ length: partitions }, (_, partition) => partition).every(
      (partition) => this.#readTo.get(partition) === records.endOffset({ topic, partition }),
    )
  }

  /** Are all records of the tables' topics applied? */
  get #areTablesRead(): boolean {
    const { records, source, prepared } = this.#o
    const partitions = Array.from({ length: source.partitions }, (_, partition) => partition)
    return prepared.topologies
      .flatMap(({ tables }) => tables.map(({ table }) => table))
      .every(({ contents, definition: { from } }) => {
        const { topic } = from
        if (topic === undefined) return true
        const ends = partitions.map((partition) => records.endOffset({ topic, partition }))
        return contents === ends.join(',')
      })
  }

  #observe(event: RuntimeEvent): void {
    if (event.type === 'processed') {
      this.#add(event.partition.partition, event)
    } else if (event.type === 'consumed' && event.records === 0) {
      this.#readTo.set(event.partition.partition, event.endOffset)
    } else if (event.type === 'restoring') {
      this.#restoring.add(event.partition.partition)
    } else if (event.type === 'restored') {
      this.#restoring.delete(event.partition.partition)
    } else if (event.type === 'committed') {
      // Commits are spaced out to spare the broker; here the next one need not wait.
      setImmediate(() => this.#o.clock.rouse())
    }
    this.#changed.notifyAll()
  }

  #add(partition: number, of: { readonly outcomes: Outcomes; readonly watermarkMs: number }): void {
    const { outcomes, watermarksMs } = this.#tally
    this.#tally = {
      outcomes: addOutcomes(outcomes, of.outcomes),
      watermarksMs: new Map([...watermarksMs, [partition, of.watermarkMs]]),
    }
  }
}
