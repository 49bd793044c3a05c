import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import type { Chunk, From } from '../port.ts'
import type { KafkaAdmin, Range } from './admin.ts'
import type { Brokers } from './brokers.ts'
import { chunkOf } from './chunk.ts'
import { type Fetchable, Fetcher, markOf } from './fetcher.ts'
import type { Fetched } from './hand-over.ts'
import { Unreadables } from './unreadables.ts'

/**
 * Where to begin: an end of the log, an offset, or a time (ms since the epoch), which means the
 * first record whose own timestamp is not before it.
 */
export type ReadStart = From | { readonly offset: number } | { readonly timeMs: number }

/** What to read. */
export interface ReadOptions {
  readonly topic: string
  /**
   * Where to begin in each partition; if a partition has nothing there, at the nearest end of its
   * log.
   */
  readonly from: ReadStart
  /**
   * When to stop. `end`: where each partition ended at the first fetch (records that were written
   * meanwhile may be included); an open transaction there is waited for. `closed`: when the reader
   * is closed.
   */
  readonly until: 'end' | 'closed'
}

interface Partition extends Fetchable {
  paused: boolean
  /** How far it was handed over. */
  readOffset: number
  /** Where it ended at the first fetch; `null` before that. */
  endOffset: number | null
  /** There are no assignments here. */
  readonly epoch: 0
}

/** Reads a topic outside of any group. Can be iterated once. */
export class KafkaReader implements AsyncIterable<Chunk> {
  readonly #brokers: Brokers
  readonly #fetcher: Fetcher
  readonly #until: ReadOptions['until']
  /** By partition name. */
  readonly #partitions: ReadonlyMap<string, Partition>
  readonly #waiting: Chunk[] = []
  /** Reported to no one: the caller just waits. */
  readonly #unreadables: Unreadables
  #failure: Error | null = null
  #isClosed = false
  #wake: () => void = () => {}

  private constructor(
    until: ReadOptions['until'],
    brokers: Brokers,
    partitions: ReadonlyMap<string, Partition>,
  ) {
    this.#until = until
    this.#brokers = brokers
    this.#partitions = partitions
    this.#unreadables = new Unreadables(() => {}, brokers.clock)
    this.#fetcher = new Fetcher({
      brokers,
      partitions: () => this.#partitions.values(),
      isCurrent: () => true,
      isPaused: (of) => (of as Partition).paused,
      fetched: (of, fetched) => this.#fetched(of as Partition, fetched),
      unreadables: this.#unreadables,
      failed: (error) => {
        this.#failure = error
        this.#wake()
      },
    })
    this.#fetcher.wake()
  }

  /**
   * Starts reading.
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `TOPIC_MISSING`
   */
  static async open(
    { topic, from, until }: ReadOptions,
    admin: KafkaAdmin,
    brokers: Brokers,
  ): Promise<KafkaReader> {
    const ranges = await admin.ranges(topic)
    const beginningOf = await beginnings(topic, from, admin)
    try {
      await brokers.connect()
      await brokers.learn([topic])
    } catch (error) {
      brokers.close()
      throw error
    }
    refuseIfUnled(topic, ranges.length, brokers)
    const partitions = ranges.map((range): Partition => {
      const { partition } = range
      const nextOffset = beginningOf(range)
      const reading = {
        nextOffset,
        readOffset: nextOffset,
        endOffset: from === 'latest' ? range.endOffset : null,
        reportedEnd: -1,
        paused: false,
      }
      return { topic, partition, epoch: 0, ...reading, ...markOf(topic, partition, brokers) }
    })
    const byName = new Map(partitions.map((of) => [partitionName(of), of]))
    return new KafkaReader(until, brokers, byName)
  }

  /**
   * Chunks of all partitions, each partition in order.
   * @throws TidemarkError why reading cannot continue
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#waiting.shift()
        if (chunk !== undefined) {
          yield chunk
          this.#resume(chunk)
          continue
        }
        if (this.#failure !== null) throw this.#failure
        if (this.#isClosed || (this.#until === 'end' && this.#isRead)) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      await this.close()
    }
  }

  /** Stops reading, which also ends the iteration. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#fetcher.stop()
    this.#unreadables.stop()
    this.#brokers.close()
    this.#wake()
  }

  /** Has every partition been read to where it ended? */
  get #isRead(): boolean {
    return [...this.#partitions.values()].every(
      ({ readOffset, endOffset }) => endOffset !== null && readOffset >= endOffset,
    )
  }

  #fetched(of: Partition, fetched: Fetched): void {
    const { records, packed, endOffset } = fetched
    of.endOffset ??= endOffset
    of.readOffset = records.nextOffset
    if (packed !== null) this.#failure = packed.error
    else if (records.length > 0) {
      // At most one chunk per partition waits; the next is fetched after that was consumed.
      of.paused = true
      this.#waiting.push(chunkOf(of, fetched))
    }
    this.#wake()
  }

  #resume(chunk: Chunk): void {
    const of = this.#partitions.get(partitionName(chunk))
    if (of === undefined) return
    of.paused = false
    this.#fetcher.wake()
  }
}

/** Returns a function that computes where reading a partition begins. */
async function beginnings(
  topic: string,
  from: ReadStart,
  admin: KafkaAdmin,
): Promise<(range: Range) => number> {
  if (from === 'earliest') return ({ lowOffset }) => lowOffset
  if (from === 'latest') return ({ endOffset }) => endOffset
  if ('offset' in from) return (range) => within(range, from.offset)
  const since = await admin.offsetsSince(topic, from.timeMs)
  return (range) => {
    const offset = since.get(partitionName(range)) ?? -1
    return offset < 0 ? range.endOffset : within(range, offset)
  }
}

function within({ lowOffset, endOffset }: Range, offset: number): number {
  return Math.max(lowOffset, Math.min(offset, endOffset))
}

/**
 * Refuses a topic of which a part would silently be left out.
 * @throws TidemarkError `BROKER_UNAVAILABLE`
 */
function refuseIfUnled(topic: string, readable: number, brokers: Brokers): void {
  const all = brokers.partitionsOf(topic).length
  if (readable === all) return
  brokers.close()
  throw new TidemarkError(
    'BROKER_UNAVAILABLE',
    `${all - readable} of ${all} partitions of "${topic}" have no leader`,
  )
}
