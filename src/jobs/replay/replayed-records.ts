import { firstFrom } from '../../connect/log-records.ts'
import type {
  Assignment,
  Chunk,
  JoinOptions,
  Member,
  MemberHandlers,
  NewRecord,
  RecordSink,
  Records,
  TopicPartition,
} from '../../connect/port.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { decodeMetadata, encodeMetadata } from '../../runtime/commit/checkpoint-metadata.ts'
import { checkpointTopic } from '../../runtime/commit/checkpoint-topic.ts'
import { SkippedRecords } from '../../runtime/commit/skipped-records.ts'
import type { TablePositions } from './table-positions.ts'
import type { ReplayRange, TablesFrom, WrittenOutputs } from './written-outputs.ts'

export interface ReplayFeedOptions {
  readonly records: Records
  readonly group: string
  readonly positions: TablePositions
  readonly outputs: Pick<WrittenOutputs, 'definition' | 'ranges' | 'tablesOf'>
  readonly made: (record: NewRecord) => void
}

/** The most pieces of a partition that wait while others have older rows. */
const MOST_WAITING = 64

/** A chunk whose records see the same rows of tables. */
interface Piece {
  readonly chunk: Chunk
  /** `null`: it is read for the windows only. */
  readonly tables: string | null
}

/** A sink that writes nothing. */
export const NOWHERE: RecordSink = { write: async () => {}, close: async () => {} }

/**
 * The records of a topic for a worker that is to work ranges of it again: its only member has all
 * partitions, whatever the group does, and its commits are written nowhere.
 */
export function replayedRecords(feed: ReplayFeed): Records {
  const { records, positions } = feed.options
  const { source, topics } = records
  return {
    source: {
      join: (options) => feed.join(options),
      // Only the variants that the group has chosen are kept of its commit.
      offsets: async (group, topic) => {
        const all = await source.offsets(group, topic)
        return all.map(({ committed, ...offsets }) => {
          const note = committed && decodeMetadata(committed.metadata)
          if (committed === null || note === null) return { ...offsets, committed }
          const metadata = encodeMetadata({ ...note, lastRecord: null, topologies: new Map() })
          return { ...offsets, committed: { ...committed, metadata } }
        })
      },
    },
    topics: {
      missingRights: (needs) => topics.missingRights({ ...needs, writes: [] }),
      // Their bounds of timestamps were about the time of the first run.
      describe: async (names) => {
        const described = await topics.describe(names)
        const unbounded = { timestampAfterMaxMs: null, timestampBeforeMaxMs: null }
        return new Map([...described].map(([name, info]) => [name, { ...info, ...unbounded }]))
      },
      create: async () => {},
      readAll: (partition) => topics.readAll(partition),
      offsetsSince: (topic, timeMs) => topics.offsetsSince(topic, timeMs),
      follow: (options) => positions.follow(options),
    },
    writer: () => NOWHERE,
    close: async () => {},
  }
}

/** Feeds a worker, once. */
export class ReplayFeed {
  readonly options: ReplayFeedOptions
  readonly #changed = new ConditionVariable()
  readonly #paused = new Set<number>()
  /** By partition, up to where it was handed over for output, and committed. */
  readonly #handedOver = new Map<number, number>()
  readonly #committed = new Map<number, number>()
  readonly #skippedRecords = new Map<number, SkippedRecords>()
  readonly #tables: ReadonlyMap<number, readonly TablesFrom[]>
  #isStopped = false
  /** `null`: the worker has not joined. */
  #feeding: Promise<void> | null = null

  constructor(options: ReplayFeedOptions) {
    const { positions, outputs } = options
    this.options = options
    this.#tables = new Map(outputs.ranges.map(({ partition: p }) => [p, outputs.tablesOf(p)]))
    positions.text = [...this.#tables.values()].flat()[0]?.tables ?? ''
  }

  /** Resolves when all ranges are worked; rejects if they cannot be read. */
  async done(): Promise<void> {
    await this.#changed.until(() => this.#feeding !== null)
    await this.#feeding
  }

  async join({ handlers }: JoinOptions): Promise<Member> {
    const { outputs: written, made } = this.options
    const { topic } = written.definition.source
    const pausable = {
      pause: ({ partition }: TopicPartition) => void this.#paused.add(partition),
      resume: ({ partition }: TopicPartition) => {
        this.#paused.delete(partition)
        this.#changed.notifyAll()
      },
    }
    const starts = new Map<number, number>()
    for (const { from, to, ...range } of written.ranges) {
      const at = { ...range, topic, epoch: 1, metadata: null, lookBackOffset: range.lowOffset }
      await this.#readSkippedRecords({ ...at, nextOffset: to })
      starts.set(range.partition, handlers.assigned({ ...at, nextOffset: from }, pausable))
    }
    this.#feeding = this.#feed(starts, handlers)
    this.#changed.notifyAll()
    return {
      ...pausable,
      commit: async ({ outputs, deadLetters, nextOffsets }) => {
        for (const record of [...outputs, ...deadLetters]) made(record)
        for (const { partition, nextOffset: at } of nextOffsets) this.#committed.set(partition, at)
        this.#changed.notifyAll()
      },
      isCountedOn: () => true,
      stopFetching: () => {
        this.#isStopped = true
        this.#changed.notifyAll()
      },
      leave: async () => {},
    }
  }

  /** Records that were given up in the first run are left out again (rule R9). */
  async #readSkippedRecords(assignment: Assignment): Promise<void> {
    const { records, outputs, group } = this.options
    const topic = checkpointTopic(outputs.definition, group)
    if (topic === null) return
    const { partition } = assignment
    const read = () => records.topics.readAll({ topic, partition })
    const skippedRecords = new SkippedRecords({ topic, assignment, topicId: null, read })
    await skippedRecords.read()
    this.#skippedRecords.set(partition, skippedRecords)
  }

  async #feed(starts: ReadonlyMap<number, number>, handlers: MemberHandlers): Promise<void> {
    const { records, outputs, positions } = this.options
    const { definition, ranges } = outputs
    const { topic } = definition.source
    const followed = await records.topics.follow({ topic, from: starts, unreadable: () => {} })
    const chunks = followed[Symbol.asyncIterator]()
    const left = new Map(ranges.map((range) => [range.partition, range]))
    const waiting = new Map<number, Piece[]>(ranges.map(({ partition }) => [partition, []]))
    const hasCome = ({ partition }: ReplayRange) => waiting.get(partition)?.length !== 0
    // The tables need not go back if the next piece is known of all partitions.
    const areKnown = () =>
      positions.areAny ? [...left.values()].every(hasCome) : ranges.some(hasCome)
    try {
      while (!this.#isStopped) {
        while (left.size > 0 && !areKnown()) {
          const { done, value: chunk } = await chunks.next()
          if (done === true) return
          const range = left.get(chunk.partition)
          if (range === undefined) continue
          waiting.get(chunk.partition)?.push(...this.#piecesOf(chunk, range))
          if (chunk.nextOffset >= range.to) left.delete(chunk.partition)
        }
        const piece = this.#next([...waiting.values()])
        if (piece === undefined) break
        await this.#handOver(piece, handlers)
      }
      await this.#allCommitted()
    } finally {
      await followed.close()
    }
  }

  /** Takes the piece whose rows are oldest, or from those partitions that are too far behind. */
  #next(waiting: readonly Piece[][]): Piece | undefined {
    const { positions } = this.options
    const age = ([piece]: Piece[]) =>
      piece?.tables == null ? -1 : positions.recordsBefore(piece.tables)
    const there = waiting.filter(({ length }) => length > 0)
    const far = there.filter(({ length }) => length > MOST_WAITING)
    const all = far.length > 0 ? far : there
    return all.toSorted((a, b) => age(a) - age(b))[0]?.shift()
  }

  async #handOver({ chunk, tables }: Piece, handlers: MemberHandlers): Promise<void> {
    const { positions } = this.options
    const { partition, nextOffset } = chunk
    if (tables !== null && positions.text !== tables) {
      await this.#allCommitted()
      await positions.set(tables)
    }
    await this.#changed.until(() => !this.#paused.has(partition) || this.#isStopped)
    if (tables !== null) this.#handedOver.set(partition, nextOffset)
    handlers.chunk({ ...chunk, epoch: 1 })
  }

  #allCommitted(): Promise<void> {
    const isCommitted = ([partition, offset]: [number, number]) =>
      (this.#committed.get(partition) ?? 0) >= offset
    return this.#changed.until(() => this.#isStopped || [...this.#handedOver].every(isCommitted))
  }

  /** The records of a chunk before and in its range, each piece with the rows that it sees. */
  #piecesOf(chunk: Chunk, { partition, from, to }: ReplayRange): Piece[] {
    const kept = this.#skippedRecords.get(partition)?.kept(chunk.records) ?? chunk.records
    const end = Math.min(to, chunk.nextOffset)
    const [first, ...later] = this.#tables.get(partition) ?? []
    const parts: TablesFrom[] = [
      { from, tables: first?.tables ?? '' },
      ...later.filter((part) => from < part.from && part.from < end),
    ]
    const before = kept.slice(0, firstFrom(kept, Math.min(from, end)))
    const pieces = [
      { records: before, tables: null },
      ...parts.map(({ from: begin, tables }, i) => {
        const next = Math.min(parts[i + 1]?.from ?? end, end)
        return { records: kept.slice(firstFrom(kept, begin), firstFrom(kept, next)), tables }
      }),
    ].filter(({ records }) => records.length > 0)
    if (pieces.length === 0) pieces.push({ records: before, tables: null })
    return pieces.map(({ records, tables }, i) => {
      const isLast = i === pieces.length - 1
      const nextOffset = isLast ? end : records.offsetAt(records.length - 1) + 1
      return { chunk: { ...chunk, records, nextOffset }, tables }
    })
  }
}
