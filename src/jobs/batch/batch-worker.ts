import type { InputFile } from '../../connect/files/input-files.ts'
import { fileRow } from '../../connect/files/input-lines.ts'
import { PartFiles, type PartSizes, partitionOfPart } from '../../connect/files/part-files.ts'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import type { WorkFolder } from '../../connect/files/work-folder.ts'
import type { Commit, Committed } from '../../connect/port.ts'
import type { Outcomes, RuntimeEvent } from '../../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../../runtime/output/outcomes.ts'
import type { Prepared, PreparedTopology } from '../../runtime/prepared.ts'
import type { Definition } from '../../topology/definition.ts'
import { LinePlaces, runLines, topicsInMemory } from '../run-job.ts'
import { feedTables } from '../table-rows.ts'
import type { Job, Saved } from './job.ts'
import { Labels } from './labels.ts'
import { BatchOutputs } from './outputs.ts'
import type { TrainingRows } from './training-rows.ts'

// One worker of a batch, which scores its share of the partitions.

const SAVED_EVERY_MS = 5_000

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
  readonly stop: AbortSignal
}

export class BatchWorker {
  readonly #o: BatchWorkerOptions
  readonly #definition: Definition
  readonly #places = new LinePlaces()
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
      partitionBy: job.options.partitionBy ?? null,
      sourceOf: (partition, offset) => {
        const line = this.#places.lineAt(partition, offset)
        return line === null ? { file: null, row: null } : fileRow(files, line.place)
      },
    })
  }

  static async open(options: BatchWorkerOptions): Promise<BatchWorker> {
    const { saved, folder, worker, job } = options
    const entries = Object.entries(saved.sizes).filter(
      ([name]) => partitionOfPart(name) % job.options.workers === worker,
    )
    const sizes: PartSizes = Object.fromEntries(entries)
    const labels = await Labels.open(job.options, folder.path)
    return new BatchWorker(options, await PartFiles.open(folder.parts, sizes), labels)
  }

  /** @returns whether all of it is done; false: it was told to stop */
  async run(): Promise<boolean> {
    const { prepared, job, lines, stop } = this.#o
    const { partitions, partitionBy, table = new Map() } = job.options
    const topics = topicsInMemory(this.#definition, partitions)
    await feedTables(this.#definition, table, topics)
    const isWhole = await runLines({
      ...{ prepared, topics, partitions, lines, places: this.#places, stop },
      isOwn: (partition) => this.#isOwn(partition) && !this.#tally.isWhole(partition),
      committed: this.#tally.committed,
      publish: (commit) => this.#publish(commit),
      observer: this.#tally.observer,
      checkOutput: partitionBy === undefined ? undefined : this.#outputs.check,
      onRead: () => {
        this.#isClosing = true
      },
    })
    if (isWhole) this.#tally.becomeWhole()
    if (isWhole || (!this.#isClosing && this.#tally.isAtChunks)) await this.#save()
    return isWhole
  }

  #isOwn(partition: number): boolean {
    const { worker, job } = this.#o
    return partition % job.options.workers === worker
  }

  readonly #jsonOf = (partition: number, offset: number): string => {
    return String(this.#places.lineAt(partition, offset)?.record.value)
  }

  async #publish(commit: Commit): Promise<void> {
    this.#outputs.add(commit)
    for (const { partition, nextOffset, metadata } of commit.nextOffsets) {
      this.#tally.commit(partition, { nextOffset, metadata })
    }
    const isDue =
      performance.now() - this.#savedAtMs >= (this.#o.job.savedEveryMs ?? SAVED_EVERY_MS)
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
