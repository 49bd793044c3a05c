import { FileSource, type FileSourceOptions } from '../connect/files/file-source.ts'
import type { PartitionLines } from '../connect/files/partition-lines.ts'
import { firstFrom } from '../connect/log-records.ts'
import { MemoryRecords } from '../connect/memory/memory-records.ts'
import type { LogRecords, NewRecords } from '../connect/port.ts'
import { unlessAborted } from '../kernel/clock.ts'
import { DEFAULT_CONFIG } from '../runtime/config.ts'
import type { PreparedTopology } from '../runtime/prepared.ts'
import { startWorker, type Worker, type WorkerOptions } from '../runtime/worker.ts'
import type { Definition } from '../topology/definition.ts'
import { allTopics, withSinksInTopics } from '../topology/graph.ts'

// A job: a topology over records with an end, which a worker in this process reads and commits.

/**
 * Runs a worker until its work is done or the signal aborts; then it finishes what it has taken, and
 * the records are closed.
 * @param work resolves when all records are committed
 * @returns whether the work is done @throws what ended the worker or the work
 */
export async function runJob(
  options: WorkerOptions,
  stop: AbortSignal,
  work: (worker: Worker) => Promise<void>,
): Promise<boolean> {
  const worker = startWorker(options)
  let isDone = false
  const working = async () => {
    await work(worker)
    isDone = true
  }
  try {
    await unlessAborted(stop, Promise.race([working(), worker.done]))
  } finally {
    try {
      await worker.stop()
    } finally {
      await options.records.close()
    }
  }
  return isDone
}

/** Topics of a topology in memory, empty. */
export function topicsInMemory(definition: Definition, partitions: number): MemoryRecords {
  const records = new MemoryRecords()
  for (const topic of allTopics(withSinksInTopics(definition))) {
    records.createTopic(topic, { partitions })
  }
  return records
}

type WorkerPart = 'prepared' | 'observer' | 'onDeadLetter' | 'checkOutput'

export interface LinesJob
  extends Pick<WorkerOptions, WorkerPart>,
    Omit<FileSourceOptions, 'topic' | 'onLines'> {
  readonly topics: MemoryRecords
  readonly places: LinePlaces
  readonly stop: AbortSignal
  /** Called when all lines are committed, before the windows that are open close. */
  readonly onRead?: () => void
  /** Ends the lines when the worker has stopped. @default they end by themselves */
  readonly endLines?: () => void
}

/**
 * Commits go nowhere but to this process, so that more at a time would gain nothing, and records
 * that are in memory for longer cost more of garbage collection.
 */
const CONFIG = { ...DEFAULT_CONFIG, maxInFlightBytes: 2 ** 24, commitIntervalMs: 10 }

/** Runs a topology over lines, to their end. @returns, @throws as {@link runJob} */
export function runLines({
  topics,
  places,
  stop,
  onRead,
  endLines,
  ...job
}: LinesJob): Promise<boolean> {
  const [{ definition }] = job.prepared.topologies as [PreparedTopology]
  const { publish } = job
  const source = new FileSource({
    ...job,
    topic: definition.source.topic,
    onLines: (lines, records) => places.add(lines, records),
    publish: async (commit) => {
      await publish(commit)
      for (const { partition, nextOffset } of commit.nextOffsets) {
        places.forget(partition, nextOffset)
      }
    },
  })
  const write = (outputs: NewRecords) => publish({ outputs, deadLetters: [], nextOffsets: [] })
  const writer = () => ({ write, close: async () => {} })
  const close = () => {
    endLines?.()
    return source.close()
  }
  const records = { source, topics, writer, close }
  return runJob({ ...job, records, group: 'job', config: CONFIG }, stop, async (worker) => {
    await source.settled()
    onRead?.()
    await worker.closeWindows()
  })
}

/** Where the lines that are not committed yet were in the input. */
export class LinePlaces {
  readonly #partitions = new Map<number, { places: Float64Array; records: LogRecords }[]>()

  add({ partition, places }: Pick<PartitionLines, 'partition' | 'places'>, records: LogRecords) {
    this.#linesOf(partition).push({ places, records })
  }

  /** `null`: the record is a window that the end of the input has closed. */
  lineAt(partition: number, offset: number) {
    for (const { records, places } of this.#linesOf(partition)) {
      const at = firstFrom(records, offset)
      if (at < places.length) return { place: places[at] as number, record: records.at(at) }
    }
    return null
  }

  forget(partition: number, nextOffset: number): void {
    const lines = this.#linesOf(partition)
    const kept = lines.findIndex(({ records }) => firstFrom(records, nextOffset) < records.length)
    lines.splice(0, kept < 0 ? lines.length : kept)
  }

  #linesOf(partition: number) {
    const lines = this.#partitions.get(partition) ?? []
    this.#partitions.set(partition, lines)
    return lines
  }
}
