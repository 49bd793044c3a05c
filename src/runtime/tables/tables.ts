import type { PartitionOffsets, Records } from '../../connect/port.ts'
import type { LoadedTable } from '../../lookup/table.ts'
import { metadataAt } from '../commit/checkpoint-metadata.ts'
import type { WorkerContext } from '../context.ts'
import type { PreparedTopology } from '../prepared.ts'
import { FileTable } from './file-table.ts'
import { TopicTable } from './topic-table.ts'

const FORGET_EVERY_MS = 60_000

interface TablesOptions extends WorkerContext {
  readonly topologies: readonly PreparedTopology[]
  readonly records: Pick<Records, 'source' | 'topics'>
  readonly group: string
  /** Called when a table can never be read again. */
  failed(error: unknown): void
}

/** The tables of a worker: each once, however many topologies and partitions look into it. */
export class Tables {
  readonly #o: TablesOptions
  readonly #files: readonly FileTable[]
  readonly #topics: readonly TopicTable[]
  /** Tables with `asOf`. */
  readonly #versioned: readonly TopicTable[]
  #running: readonly Promise<void>[] | null = null
  #forgotMs = Number.NEGATIVE_INFINITY

  constructor(options: TablesOptions) {
    const all = [...new Set(options.topologies.flatMap(({ tables }) => tables))]
    this.#o = options
    this.#files = all.flatMap(({ table, format }) =>
      format === null ? [new FileTable(table, options)] : [],
    )
    this.#topics = all.flatMap(({ table, format }) =>
      format === null ? [] : [new TopicTable(table, format, options)],
    )
    this.#versioned = this.#topics.filter(({ table }) => table.definition.asOf !== null)
  }

  /**
   * Resolves when every table has all versions that events can see.
   * @param offsets of the group in the sources
   * @throws TidemarkError `TABLE_LIMIT`, or why a topic can never be read
   */
  async load(offsets: readonly PartitionOffsets[]): Promise<void> {
    // Offsets may have been set back while the group was empty.
    for (const topic of this.#versioned) topic.keepFrom(this.#oldestMs(topic.table, offsets))
    this.#running ??= this.#start()
    const running = this.#running
    await Promise.all(this.#topics.map(({ loaded }, i) => Promise.race([loaded, running[i]])))
  }

  /** A commit has succeeded: now and then, drops the versions that no event can see any more. */
  async committed(): Promise<void> {
    const { clock, records, group, topologies } = this.#o
    const nowMs = clock.elapsedMs()
    if (this.#versioned.length === 0 || nowMs - this.#forgotMs < FORGET_EVERY_MS) return
    this.#forgotMs = nowMs
    const sources = [...new Set(topologies.map(({ definition }) => definition.source.topic))]
    try {
      const asking = sources.map((topic) => records.source.offsets(group, topic))
      const offsets = (await Promise.all(asking)).flat()
      for (const topic of this.#versioned) topic.forget(this.#oldestMs(topic.table, offsets))
    } catch {
      // Brokers that do not answer are asked again after a later commit.
    }
  }

  stop(): void {
    for (const file of this.#files) file.stop()
    for (const topic of this.#topics) topic.stop()
  }

  #start(): readonly Promise<void>[] {
    for (const file of this.#files) file.start()
    const running = this.#topics.map((topic) => topic.run())
    for (const run of running) run.catch((error) => this.#o.failed(error))
    return running
  }

  #oldestMs(table: LoadedTable, offsets: readonly PartitionOffsets[]): number {
    const users = this.#o.topologies.filter(({ tables }) =>
      tables.some((used) => used.table === table),
    )
    return Math.min(...users.map((topology) => oldestEventMs(topology, offsets)))
  }
}

/**
 * The time of the oldest event that can still come to a topology, ms since the epoch: the least
 * committed watermark of all partitions, because each may come to this worker. −Infinity: a
 * partition has no watermark yet, or late events are scored.
 */
export function oldestEventMs(topology: PreparedTopology, offsets: readonly PartitionOffsets[]) {
  const { source } = topology.definition
  if (source.onLate === 'score') return Number.NEGATIVE_INFINITY
  const ofSource = offsets.filter(({ topic }) => topic === source.topic)
  const watermarksMs = ofSource.map((partition) => watermarkMs(topology, partition))
  return watermarksMs.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...watermarksMs)
}

/** The watermark with which a worker begins to read a partition; it may have been further. */
function watermarkMs(
  { definition, fingerprint }: PreparedTopology,
  { committed, ...partition }: PartitionOffsets,
): number {
  const note = committed === null ? null : metadataAt({ ...partition, ...committed })
  const position = note?.topologies.get(definition.name)
  // Windows that are rebuilt begin without a watermark.
  if (position?.fingerprint !== fingerprint) return Number.NEGATIVE_INFINITY
  return Math.max(position.from.newestMs - definition.source.watermark.lagMs, position.from.idleMs)
}
