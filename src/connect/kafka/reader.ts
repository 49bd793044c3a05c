import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { partitionName } from '../../kernel/ids.ts'
import { offsetAt } from '../group-member.ts'
import type { Chunk, Followed, FollowedRange, LogPoint, Unreadable } from '../port.ts'
import type { Brokers } from './client/brokers.ts'
import { unavailable } from './client/errors.ts'
import { chunkOf, type Fetched } from './consume/fetch-buffer.ts'
import { Fetcher, type FetchPosition, initialLogMark } from './consume/fetcher.ts'
import { Unreadables } from './consume/unreadable-partitions.ts'
import type { KafkaAdmin, Range } from './group/admin.ts'

/** Where to begin: `offsets` by partition, and the start of partitions that are not named. */
export type ReadStart = LogPoint | { readonly offsets: ReadonlyMap<number, number> }

export interface ReadOptions {
  readonly topic: string
  /** If a partition has nothing there, reading begins at the nearest end of its log. */
  readonly from: ReadStart
  /**
   * `end`: where each partition ended at the first fetch; an open transaction there is waited for.
   * `closed`: when the reader is closed; added partitions are read, too.
   */
  readonly until: 'end' | 'closed'
  /** @default not called: the caller just waits */
  readonly unreadable?: (partitions: readonly Unreadable[]) => void
  /** Whether a batch that unpacks to more than is allowed comes packed. @default it is an error */
  readonly takesPacked?: boolean
}

interface ReaderConnections {
  readonly admin: KafkaAdmin
  readonly brokers: Brokers
}

const LOOK_MS = 10_000

interface Partition extends FetchPosition {
  readOffset: number
  endOffset: number | null
  readonly epoch: 0
}

/** Follows a topic outside of any group, and pauses each partition until its chunk is consumed. */
export class KafkaReader implements Followed {
  readonly ranges: ReadonlyMap<number, FollowedRange>
  readonly #o: ReadOptions
  readonly #connections: ReaderConnections
  readonly #fetcher: Fetcher
  readonly #partitions = new Map<string, Partition>()
  readonly #waiting: Chunk[] = []
  readonly #unreadables: Unreadables
  readonly #over = new AbortController()
  #failure: Error | null = null
  readonly #changed = new ConditionVariable()

  private constructor(
    options: ReadOptions,
    connections: ReaderConnections,
    ranges: ReadonlyMap<number, FollowedRange>,
  ) {
    const { until, unreadable = () => {} } = options
    const { brokers } = connections
    this.#o = options
    this.#connections = connections
    this.ranges = ranges
    this.#unreadables = new Unreadables(unreadable, brokers.clock)
    this.#fetcher = new Fetcher({
      brokers,
      partitions: () => this.#partitions.values(),
      isCurrent: () => true,
      fetched: (partition, fetched) => this.#fetched(partition as Partition, fetched),
      unreadables: this.#unreadables,
      failed: (error) => {
        this.#failure = error
        this.#changed.notifyAll()
      },
    })
    for (const [partition, { nextOffset }] of ranges) this.#add(partition, nextOffset)
    this.#fetcher.wake()
    if (until === 'closed') void this.#lookForMore()
  }

  /** @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING` */
  static async open(options: ReadOptions, connections: ReaderConnections): Promise<KafkaReader> {
    const { topic, from } = options
    const { admin, brokers } = connections
    try {
      const ranges = await admin.ranges(topic)
      const beginningOf = await beginnings(topic, from, admin)
      await brokers.connect()
      await brokers.learn([topic])
      const all = brokers.map.partitionsOf(topic).length
      // A part of the topic would be left out.
      if (ranges.length !== all) {
        const message = `${all - ranges.length} of ${all} partitions of "${topic}" have no leader`
        throw unavailable(message)
      }
      const begin = ranges.map((range): [number, FollowedRange] => {
        return [range.partition, { nextOffset: beginningOf(range), endOffset: range.endOffset }]
      })
      return new KafkaReader(options, connections, new Map(begin))
    } catch (error) {
      brokers.close()
      throw error
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    try {
      const isThere = () => this.#waiting.length > 0 || this.#failure !== null || this.#isOver
      for (;;) {
        await this.#changed.until(isThere)
        const chunk = this.#waiting.shift()
        if (chunk === undefined) {
          if (this.#failure !== null) throw this.#failure
          return
        }
        yield chunk
        const partition = this.#partitions.get(partitionName(chunk))
        if (partition !== undefined) partition.paused = false
        this.#fetcher.wake()
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    this.#over.abort()
    this.#fetcher.stop()
    this.#unreadables.stop()
    this.#connections.brokers.close()
    this.#changed.notifyAll()
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted || (this.#o.until === 'end' && this.#isRead)
  }

  get #isRead(): boolean {
    return [...this.#partitions.values()].every(
      ({ readOffset, endOffset }) => endOffset !== null && readOffset >= endOffset,
    )
  }

  #fetched(partition: Partition, fetched: Fetched): void {
    const { records, nextOffset, packed, endOffset } = fetched
    partition.endOffset ??= endOffset
    partition.readOffset = nextOffset
    const { takesPacked = false } = this.#o
    if (packed !== null && !takesPacked) this.#failure = packed.error
    else if (records.length > 0 || packed !== null || this.#o.until === 'closed') {
      partition.paused = true
      this.#waiting.push(chunkOf(partition, fetched))
    }
    this.#changed.notifyAll()
  }

  #add(partition: number, nextOffset: number): void {
    const topic = this.#o.topic
    // Reading from the end ends there, although more is written meanwhile.
    const endOffset =
      this.#o.from === 'latest' ? (this.ranges.get(partition)?.endOffset ?? null) : null
    const identity = { topic, partition, epoch: 0 } as const
    this.#partitions.set(partitionName(identity), {
      ...identity,
      nextOffset,
      readOffset: nextOffset,
      endOffset,
      reportedEnd: -1,
      paused: false,
      ...initialLogMark(topic, partition, this.#connections.brokers),
    })
  }

  async #lookForMore(): Promise<void> {
    const { brokers } = this.#connections
    const { topic } = this.#o
    for (;;) {
      await brokers.clock.sleep(LOOK_MS, this.#over.signal)
      if (this.#over.signal.aborted) return
      await brokers.refresh().catch(() => {})
      for (const partition of brokers.map.partitionsOf(topic)) {
        if (!this.#partitions.has(partitionName({ topic, partition }))) this.#add(partition, 0)
      }
      this.#fetcher.wake()
    }
  }
}

/** Returns a function that computes where reading a partition begins. */
async function beginnings(topic: string, from: ReadStart, admin: KafkaAdmin) {
  if (typeof from === 'object' && 'offsets' in from) {
    return ({ partition, lowOffset }: Range) => from.offsets.get(partition) ?? lowOffset
  }
  const isTime = typeof from === 'object' && 'timeMs' in from
  const since = isTime ? await admin.offsetsSince(topic, from.timeMs) : new Map<string, number>()
  return (range: Range) => offsetAt(from, range, since)
}
