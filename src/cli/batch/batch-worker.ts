import { FileSource } from '../../connect/files/file-source.ts'
import type { InputFile } from '../../connect/files/input-files.ts'
import { fileRow } from '../../connect/files/input-lines.ts'
import { openInput } from '../../connect/files/lines.ts'
import { PartFiles, type PartSizes, partitionOfPart } from '../../connect/files/part-files.ts'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import type { WorkFolder } from '../../connect/files/work-folder.ts'
import { firstFrom } from '../../connect/log-records.ts'
import type { Commit, Committed, LogRecords, NewRecords, Topics } from '../../connect/port.ts'
import { DEFAULT_CONFIG } from '../../runtime/config.ts'
import type { Outcomes, RuntimeEvent } from '../../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../../runtime/output/outcomes.ts'
import type { Prepared, PreparedTopology } from '../../runtime/prepared.ts'
import { startWorker } from '../../runtime/worker.ts'
import type { Definition, TableDefinition } from '../../topology/definition.ts'
import { embeddedRecords, feedRows, tablesInTopics } from '../embedded.ts'
import type { Job, Saved } from './job.ts'
import { Labels } from './labels.ts'
import { BatchOutputs } from './outputs.ts'
import type { TrainingRows } from './training-rows.ts'

// One worker of a batch, which scores its share of the partitions.

/**
 * Commits are files of this machine, so that more at a time would gain nothing, and records that
 * are in memory for longer cost more of garbage collection.
 */
const CONFIG = { ...DEFAULT_CONFIG, maxInFlightBytes: 2 ** 24, commitIntervalMs: 10 }

export interface BatchWorkerOptions {
  readonly job: Job
  readonly prepared: Prepared
  readonly folder: WorkFolder
  /** The lines of its partitions; `null`: there are more, which will not come. */
  readonly lines: AsyncIterable<readonly PartitionLines[] | null>
  /** The files that the lines are from. */
  readonly files: readonly InputFile[]
  /** Its number, from 0. */
  readonly worker: number
  /** The work that an interrupted run has saved. */
  readonly saved: Saved
  /** `null`: outputs are written. */
  readonly rows: TrainingRows | null
  /** Resolves when it is to stop. */
  readonly stopped: Promise<unknown>
}

interface PlacedRecords extends Pick<PartitionLines, 'places'> {
  readonly records: LogRecords
}

export class BatchWorker {
  readonly #o: BatchWorkerOptions
  readonly #definition: Definition
  /** By partition, the lines that are not committed yet. */
  readonly #lines = new Map<number, PlacedRecords[]>()
  readonly #tally: Tally
  readonly #parts: PartFiles
  readonly #outputs: BatchOutputs
  #savedAtMs = performance.now()
  #isClosing = false

  private constructor(options: BatchWorkerOptions, parts: PartFiles, labels: Labels | null) {
    const { prepared, files, saved, job, rows } = options
    const [{ definition }] = prepared.topologies as [PreparedTopology]
    this.#o = options
    this.#definition = definition
    this.#parts = parts
    this.#tally = new Tally(saved, (partition) => this.#isOwn(partition))
    this.#outputs = new BatchOutputs({
      parts,
      rowOf: rows && ((record) => rows.lineOf(record, labels, this.#jsonOf)),
      kinds: saved.kinds,
      deadLetterTopic: definition.deadLetterTopic,
      partitionBy: job.flags.partitionBy ?? null,
      sourceOf: (partition, offset) => {
        const line = this.#lineAt(partition, offset)
        return line === null ? { file: null, row: null } : fileRow(files, line.place)
      },
    })
  }

  static async open(options: BatchWorkerOptions): Promise<BatchWorker> {
    const { saved, folder, worker, job } = options
    const entries = Object.entries(saved.sizes).filter(
      ([name]) => partitionOfPart(name) % job.workers === worker,
    )
    const sizes: PartSizes = Object.fromEntries(entries)
    const labels = await Labels.open(job.flags, folder.path)
    return new BatchWorker(options, await PartFiles.open(folder.parts, sizes), labels)
  }

  /** @returns whether all of it is done; false: it was told to stop */
  async run(): Promise<boolean> {
    const { prepared, job, lines, stopped } = this.#o
    const { source } = this.#definition
    const { partitions } = job.flags
    const files = new FileSource({
      topic: source.topic,
      partitions,
      isOwn: (partition) => this.#isOwn(partition) && !this.#tally.isWhole(partition),
      committed: this.#tally.committed,
      lines,
      onLines: ({ partition, places }, records) =>
        this.#linesOf(partition).push({ places, records }),
      publish: (commit) => this.#publish(commit),
    })
    const write = (outputs: NewRecords) =>
      this.#publish({ outputs, deadLetters: [], nextOffsets: [] })
    const worker = startWorker({
      prepared,
      records: {
        source: files,
        topics: await this.#topics(),
        writer: () => ({ write, close: async () => {} }),
        close: () => files.close(),
      },
      group: 'batch',
      config: CONFIG,
      observer: this.#tally.observer,
      checkOutput: job.flags.partitionBy === undefined ? undefined : this.#outputs.check,
    })
    let isWhole = false
    const whole = async () => {
      await files.settled()
      this.#isClosing = true
      await worker.closeWindows()
      isWhole = true
    }
    try {
      await Promise.race([whole(), stopped, worker.done])
    } finally {
      try {
        await worker.stop()
      } finally {
        // A query that writes to a pipe must not be left behind.
        await files.close()
      }
    }
    if (isWhole) this.#tally.becomeWhole()
    if (isWhole || (!this.#isClosing && this.#tally.isAtChunks)) await this.#save()
    return isWhole
  }

  #isOwn(partition: number): boolean {
    const { worker, job } = this.#o
    return partition % job.workers === worker
  }

  #linesOf(partition: number): PlacedRecords[] {
    const lines = this.#lines.get(partition) ?? []
    this.#lines.set(partition, lines)
    return lines
  }

  readonly #jsonOf = (partition: number, offset: number): string => {
    const line = this.#lineAt(partition, offset)
    return String(line?.records.at(line.at).value)
  }

  /** `null`: the record is a window that the end of the input has closed. */
  #lineAt(partition: number, offset: number) {
    for (const { records, places } of this.#linesOf(partition)) {
      const at = firstFrom(records, offset)
      if (at < places.length) return { place: places[at] as number, records, at }
    }
    return null
  }

  #forget(partition: number, nextOffset: number): void {
    const lines = this.#linesOf(partition)
    const kept = lines.findIndex(({ records }) => firstFrom(records, nextOffset) < records.length)
    lines.splice(0, kept < 0 ? lines.length : kept)
  }

  async #publish(commit: Commit): Promise<void> {
    this.#outputs.add(commit)
    for (const { partition, nextOffset, metadata } of commit.nextOffsets) {
      this.#tally.commit(partition, { nextOffset, metadata })
      this.#forget(partition, nextOffset)
    }
    const isDue = performance.now() - this.#savedAtMs >= this.#o.job.savedEveryMs
    if (isDue && this.#tally.isAtChunks && !this.#isClosing) await this.#save()
    else await this.#parts.flush()
  }

  async #save(): Promise<void> {
    const { folder, worker, job } = this.#o
    const sizes = await this.#parts.sync()
    const [{ partitions }, { kinds }] = [this.#tally, this.#outputs]
    const saved: Saved = { identity: job.identity, partitions, sizes, kinds }
    await folder.save(worker, saved)
    this.#savedAtMs = performance.now()
  }

  /** All topics, those of tables with the rows from the files given for them. */
  async #topics(): Promise<Topics> {
    const records = embeddedRecords(this.#definition, this.#o.job.flags.partitions)
    const tables = tablesInTopics(this.#definition)
    for (const [name, path] of this.#o.job.flags.table ?? []) {
      const table = tables.find((definition) => definition.name === name) as TableDefinition
      await feedRows(table, await openInput(path), records)
    }
    return records
  }
}

/** Outcomes of committed records: those of a chunk count when it is committed as a whole. */
class Tally {
  readonly partitions: Record<string, Saved['partitions'][string]>
  /** By partition, the outcomes up to the ends of chunks from the committed offset on. */
  readonly #sums = new Map<number, { readonly end: number; readonly outcomes: Outcomes }[]>()

  constructor({ partitions }: Saved, isOwn: (partition: number) => boolean) {
    const entries = Object.entries(partitions).filter(([partition]) => isOwn(Number(partition)))
    this.partitions = Object.fromEntries(entries)
  }

  /** Whether everything that is committed ends with a chunk. */
  get isAtChunks(): boolean {
    return [...this.#sums].every(([partition, [first]]) => {
      return first?.end === (this.partitions[partition]?.nextOffset ?? 0)
    })
  }

  get committed(): ReadonlyMap<number, Committed> {
    const all = Object.entries(this.partitions)
    return new Map(all.map(([partition, committed]) => [Number(partition), committed]))
  }

  readonly observer = (event: RuntimeEvent): void => {
    if (event.type !== 'processed') return
    const { partition, nextOffset: end, outcomes } = event
    const sums = this.#sumsOf(partition.partition)
    sums.push({ end, outcomes: addOutcomes(sums.at(-1)?.outcomes ?? NO_OUTCOMES, outcomes) })
  }

  commit(partition: number, committed: Committed): void {
    const sums = this.#sumsOf(partition)
    const later = sums.findIndex(({ end }) => end > committed.nextOffset)
    sums.splice(0, (later < 0 ? sums.length : later) - 1)
    const outcomes = sums[0]?.outcomes ?? NO_OUTCOMES
    this.partitions[partition] = { ...committed, outcomes, isWhole: false }
  }

  isWhole(partition: number): boolean {
    return this.partitions[partition]?.isWhole === true
  }

  becomeWhole(): void {
    for (const [partition, saved] of Object.entries(this.partitions)) {
      this.partitions[partition] = { ...saved, isWhole: true }
    }
  }

  #sumsOf(partition: number) {
    const { nextOffset: end = 0, outcomes = NO_OUTCOMES } = this.partitions[partition] ?? {}
    const sums = this.#sums.get(partition) ?? [{ end, outcomes }]
    this.#sums.set(partition, sums)
    return sums
  }
}
