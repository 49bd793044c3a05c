import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { firstFrom } from '../../records/log-records.ts'
import type {
  Chunk,
  Commit,
  Followed,
  FollowOptions,
  JoinOptions,
  Member,
  NewRecords,
  PartitionOffsets,
  Records,
  TopicInfo,
} from '../../records/port.ts'
import { decodeMetadata, encodeMetadata } from '../../runtime/commit/checkpoint-metadata.ts'
import type { Verdicts } from '../../runtime/commit/verdicts.ts'
import type { TablePositions } from './table-positions.ts'
import type { ReplayRange, TablesFrom } from './written-outputs.ts'

interface ReplayOptions {
  readonly records: Records
  readonly source: string
  readonly ranges: readonly ReplayRange[]
  readonly positions: TablePositions
  /** By partition, in order. */
  readonly tables: ReadonlyMap<number, readonly TablesFrom[]>
  /** By partition, of topologies that give records up. */
  readonly verdicts: ReadonlyMap<number, Verdicts>
  made(records: NewRecords): Promise<void> | void
}

/** A chunk whose records see the same rows of tables. */
interface Piece {
  readonly chunk: Chunk
  /** `null`: it is read for the windows only. */
  readonly tables: string | null
}

/**
 * The records of a topic for a worker that is to work ranges of it again: its only member has all
 * partitions, whatever the group does, and what it commits is written nowhere.
 */
export class ReplayedRecords implements Records {
  readonly #o: ReplayOptions
  readonly #changed = new ConditionVariable()
  readonly #paused = new Set<number>()
  /** By partition, up to where it was handed over for output, and committed. */
  readonly #handedOver = new Map<number, number>()
  readonly #committed = new Map<number, number>()
  readonly #over = new AbortController()
  #hasJoined = false
  /** How it has ended; `null`: it has not. */
  #end: { readonly error: unknown } | null = null
  /** Records handed over. */
  count = 0

  constructor(options: ReplayOptions) {
    this.#o = options
  }

  /** Resolves when all ranges are worked; rejects if they cannot be read. */
  async done(): Promise<void> {
    await this.#changed.until(() => this.#end !== null)
    if (this.#end?.error) throw this.#end.error
  }

  missingRights: Records['missingRights'] = (needs) => {
    return this.#o.records.missingRights({ ...needs, writes: [], guarantee: 'at-least-once' })
  }

  /** Without bounds of timestamps, which are about the time of the first run. */
  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const topics = await this.#o.records.describeTopics(names)
    const unbounded = { timestampAfterMaxMs: null, timestampBeforeMaxMs: null }
    return new Map([...topics].map(([name, info]) => [name, { ...info, ...unbounded }]))
  }

  async createTopics(): Promise<void> {}

  readAll: Records['readAll'] = (partition) => this.#o.records.readAll(partition)

  /** Of what the group has committed, only the variants that it has chosen. */
  async partitionOffsets(group: string, topic: string): Promise<readonly PartitionOffsets[]> {
    const all = await this.#o.records.partitionOffsets(group, topic)
    return all.map(({ committed, ...of }) => {
      const note = committed === null ? null : decodeMetadata(committed.metadata)
      if (committed === null || note === null) return { ...of, committed }
      const metadata = encodeMetadata({ ...note, lastRecord: null, topologies: new Map() })
      return { ...of, committed: { ...committed, metadata } }
    })
  }

  follow(options: FollowOptions): Promise<Followed> {
    return this.#o.positions.follow(this.#o.records, options)
  }

  writer() {
    return { send: async () => {}, close: async () => {} }
  }

  async close(): Promise<void> {
    this.#over.abort()
    this.#changed.notifyAll()
  }

  async join({ handlers }: JoinOptions): Promise<Member> {
    if (this.#hasJoined) throw new TidemarkError('GROUP_FAILED', 'the replay was interrupted')
    this.#hasJoined = true
    const { source: topic, ranges } = this.#o
    const pausable = {
      pause: ({ partition }: { partition: number }) => void this.#paused.add(partition),
      resume: ({ partition }: { partition: number }) => {
        this.#paused.delete(partition)
        this.#changed.notifyAll()
      },
    }
    const starts = ranges.map(({ partition, from, lowOffset }): [number, number] => {
      const at = { topic, partition, epoch: 1, nextOffset: from, metadata: null }
      const assignment = { ...at, lowOffset, lookBackOffset: lowOffset }
      return [partition, handlers.assigned(assignment, pausable)]
    })
    void this.#feed(new Map(starts), handlers)
      .then(
        () => ({ error: null }),
        (error: unknown) => ({ error }),
      )
      .then((end) => {
        this.#end = end
        this.#changed.notifyAll()
      })
    return {
      ...pausable,
      commit: (commit) => this.#commit(commit),
      stopFetching: () => this.#over.abort(),
      leave: () => this.close(),
    }
  }

  async #commit({ outputs, deadLetters, nextOffsets }: Commit): Promise<void> {
    await this.#o.made(outputs)
    await this.#o.made(deadLetters)
    for (const { partition, nextOffset } of nextOffsets) this.#committed.set(partition, nextOffset)
    this.#changed.notifyAll()
  }

  async #feed(
    starts: ReadonlyMap<number, number>,
    { chunk: handOver, unreadable }: JoinOptions['handlers'],
  ): Promise<void> {
    const { records, source: topic, ranges, positions } = this.#o
    const followed = await records.follow({ topic, from: starts, unreadable })
    const chunks = followed[Symbol.asyncIterator]()
    const left = new Map(ranges.map((range) => [range.partition, range]))
    const waiting = new Map<number, Piece[]>(ranges.map(({ partition }) => [partition, []]))
    const hasCome = ({ partition }: ReplayRange) => waiting.get(partition)?.length !== 0
    // The tables are moved on as little as possible if all partitions are known before.
    const areKnown = () =>
      positions.areAny ? [...left.values()].every(hasCome) : ranges.some(hasCome)
    try {
      while (!this.#over.signal.aborted) {
        while (left.size > 0 && !areKnown()) {
          const { done, value: chunk } = await chunks.next()
          if (done === true) return
          const range = left.get(chunk.partition)
          if (range === undefined) continue
          waiting.get(chunk.partition)?.push(...this.#piecesOf(chunk, range))
          if (chunk.nextOffset >= range.to) left.delete(chunk.partition)
        }
        const [next] = [...waiting.values()]
          .filter(({ length }) => length > 0)
          .toSorted(([a], [b]) => ageOf(a) - ageOf(b))
        const piece = next?.shift()
        if (piece === undefined) break
        await this.#handOver(piece, handOver)
      }
      await this.#allCommitted()
    } finally {
      await followed.close()
    }
  }

  async #handOver({ chunk, tables }: Piece, handOver: (chunk: Chunk) => void): Promise<void> {
    const { positions } = this.#o
    const { partition, nextOffset } = chunk
    if (tables !== null && positions.text !== tables) {
      await this.#allCommitted()
      await positions.set(tables)
    }
    await this.#changed.until(() => !this.#paused.has(partition) || this.#over.signal.aborted)
    if (tables !== null) this.#handedOver.set(partition, nextOffset)
    this.count += chunk.records.length
    handOver({ ...chunk, epoch: 1 })
  }

  #allCommitted(): Promise<void> {
    const isCommitted = ([partition, offset]: [number, number]) =>
      (this.#committed.get(partition) ?? 0) >= offset
    return this.#changed.until(
      () => this.#over.signal.aborted || [...this.#handedOver].every(isCommitted),
    )
  }

  /** The records of a chunk before and in its range, each piece with the rows that it sees. */
  #piecesOf(chunk: Chunk, { partition, from, to }: ReplayRange): Piece[] {
    const kept = this.#o.verdicts.get(partition)?.kept(chunk.records) ?? chunk.records
    const end = Math.min(to, chunk.nextOffset)
    const [first, ...later] = this.#o.tables.get(partition) ?? []
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

/** Grows with the positions of tables. What is read for windows only comes first. */
function ageOf(piece: Piece | undefined): number {
  const positions = piece?.tables?.match(/(?<=[=,])\d+(?=[,;]|$)/g) ?? []
  return positions.reduce(
    (sum, position) => sum + Number(position),
    piece?.tables === null ? -1 : 0,
  )
}
