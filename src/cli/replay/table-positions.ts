import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { firstFrom } from '../../records/log-records.ts'
import type {
  Chunk,
  Followed,
  FollowedRange,
  FollowOptions,
  Records,
  TopicInfo,
} from '../../records/port.ts'
import type { Definition } from '../../topology/definition.ts'

type Ends = ReadonlyMap<string, readonly number[]>

/** More records than a topic has. */
const AGAIN = 2 ** 52

/**
 * The positions of the tables of a topology. A table reads its topic through here and gets no
 * record from the position on that was last set. Set back, it reads its topic again.
 */
export class TablePositions {
  /** By name of the table, its topic. */
  readonly #topics: ReadonlyMap<string, string>
  readonly #changed = new ConditionVariable()
  readonly #readings = new Map<string, TableReading>()
  /** By topic, the offsets before which records are handed over. */
  #ends: Ends = new Map()
  /** The header `tidemark-tables` of outputs that are made now. */
  text = ''

  constructor({ tables }: Pick<Definition, 'tables'>) {
    this.#topics = new Map(
      tables.flatMap(({ name, from }) => (from.topic ? [[name, from.topic]] : [])),
    )
  }

  /** Are there tables whose rows are in topics? */
  get areAny(): boolean {
    return this.#topics.size > 0
  }

  /** Tables whose topics no longer have all records before the position. */
  get incomplete(): readonly string[] {
    const names = [...this.#topics.keys()]
    return names.filter((name) => this.#readings.get(this.#topics.get(name) ?? '')?.isIncomplete)
  }

  /** Records to read for a position. Without bound, the earliest first: topics are read again. */
  distanceTo(text: string): number {
    if (text === this.text) return 0
    const steps = [...this.#endsIn(text)].flatMap(([topic, ends]) => {
      const now = this.#ends.get(topic) ?? []
      return ends.map((end, partition) => end - (now[partition] ?? 0))
    })
    const records = steps.reduce((sum, step) => sum + step, 0)
    return steps.some((step) => step < 0) ? AGAIN + records : records
  }

  /** @param text the header `tidemark-tables`; resolves when the tables have these rows */
  async set(text: string): Promise<void> {
    this.aim(text)
    await this.#changed.until(() => [...this.#readings.values()].every((one) => one.isThere))
  }

  /** As {@link set}, for tables that are still to be read. */
  aim(text: string): void {
    this.text = text
    this.#ends = this.#endsIn(text)
    for (const [topic, reading] of this.#readings) reading.aim(this.#ends.get(topic) ?? [])
  }

  #endsIn(text: string): Ends {
    const named = text.split(';').map((part) => part.split('=') as [string, string?])
    const ends = named.flatMap(([name, at = '']): [string, readonly number[]][] => {
      const topic = this.#topics.get(name)
      return topic === undefined ? [] : [[topic, at.split(',').map(Number)]]
    })
    return new Map(ends)
  }

  /** Reads the topic of a table. */
  async follow(records: Records, options: FollowOptions): Promise<Followed> {
    const { topic } = options
    const info = (await records.describeTopics([topic])).get(topic)
    const inner = await records.follow(options)
    const reading = new TableReading(inner, options.from, {
      info,
      changed: () => this.#changed.notifyAll(),
    })
    reading.aim(this.#ends.get(topic) ?? [])
    this.#readings.set(topic, reading)
    return reading
  }
}

interface ReadingOptions {
  readonly info: TopicInfo | undefined
  changed(): void
}

/** A table's topic, read up to an offset of each partition that may be set further. */
export class TableReading implements Followed {
  readonly #inner: Followed
  readonly #from: FollowOptions['from']
  readonly #o: ReadingOptions
  readonly #changed = new ConditionVariable()
  /** By partition, the offset to hand over next. */
  readonly #positions: Map<number, number>
  readonly #held: Chunk[] = []
  #ends: ReadonlyMap<number, number> = new Map()
  #handedOver = 0
  #isClosed = false
  /** Has the table applied all records before the offsets? */
  isThere = false

  constructor(inner: Followed, from: FollowOptions['from'], options: ReadingOptions) {
    this.#inner = inner
    this.#from = from
    this.#o = options
    this.#positions = new Map([...inner.ranges].map(([p, { nextOffset }]) => [p, nextOffset]))
  }

  get ranges(): ReadonlyMap<number, FollowedRange> {
    const known = [...this.#inner.ranges].filter(([partition]) => this.#ends.has(partition))
    return new Map(
      known.map(([partition, { nextOffset }]) => {
        return [partition, { nextOffset, endOffset: this.#ends.get(partition) as number }]
      }),
    )
  }

  /** Were records deleted that the table once had, for their age or because of a later one? */
  get isIncomplete(): boolean {
    const { isCompacted = false } = this.#o.info ?? {}
    const ranges = [...this.#inner.ranges]
    const passed = ranges.map(([p, { nextOffset }]) => (this.#positions.get(p) ?? 0) - nextOffset)
    const all = passed.reduce((sum, offsets) => sum + offsets, 0)
    const isTrimmed = ranges.some(([p, { nextOffset }]) => this.#lowOf(p, nextOffset) > 0)
    return isTrimmed || (isCompacted === true && this.#handedOver < all)
  }

  /** @param ends by partition, the offset before which records are handed over */
  aim(ends: readonly number[]): void {
    const { ranges } = this.#inner
    this.#ends = new Map(
      ends.flatMap((end, partition): [number, number][] => {
        const range = ranges.get(partition)
        if (range === undefined) return []
        const low = this.#lowOf(partition, range.nextOffset)
        return [[partition, Math.max(low, Math.min(end, range.endOffset))]]
      }),
    )
    this.isThere = false
    this.#changed.notifyAll()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    const chunks = this.#inner[Symbol.asyncIterator]()
    for (;;) {
      const due = this.#nextDue()
      if (due !== null) yield due
      else if (this.#isWithin((position, end) => position < end)) {
        const { done, value } = await chunks.next()
        if (done === true) return
        this.#held.push(value)
      } else if (this.#isWithin((position, end) => position > end)) {
        const what = 'the table has later rows than it should: it is read again'
        throw new TidemarkError('OFFSET_OUT_OF_RANGE', what)
      } else {
        this.isThere = true
        this.#o.changed()
        await this.#changed.until(() => this.#isClosed || !this.isThere)
        if (this.#isClosed) return
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#changed.notifyAll()
    await this.#inner.close()
  }

  /** Where the log begins, if reading has begun there. */
  #lowOf(partition: number, nextOffset: number): number {
    return this.#from.has(partition) ? 0 : nextOffset
  }

  #isWithin(holds: (position: number, end: number) => boolean): boolean {
    return [...this.#ends].some(([p, end]) => holds(this.#positions.get(p) ?? 0, end))
  }

  /** The part of a chunk that may be handed over. */
  #nextDue(): Chunk | null {
    for (const [i, chunk] of this.#held.entries()) {
      const { partition, records, nextOffset } = chunk
      const end = this.#ends.get(partition) ?? 0
      if ((this.#positions.get(partition) ?? 0) >= end) continue
      const isWhole = nextOffset <= end
      const count = isWhole ? records.length : firstFrom(records, end)
      if (isWhole) this.#held.splice(i, 1)
      else this.#held[i] = { ...chunk, records: records.slice(count) }
      const part = {
        ...chunk,
        records: records.slice(0, count),
        nextOffset: Math.min(nextOffset, end),
      }
      this.#positions.set(partition, part.nextOffset)
      this.#handedOver += count
      return part
    }
    return null
  }
}
