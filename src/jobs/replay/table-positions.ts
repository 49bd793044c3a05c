import type { KafkaRecords } from '../../connect/kafka/kafka-records.ts'
import { firstFrom, NO_RECORDS } from '../../connect/log-records.ts'
import type { Chunk, Followed, FollowOptions } from '../../connect/port.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Definition } from '../../topology/definition.ts'

/** The topic of a table, with all its records. */
interface TableLog {
  readonly table: string
  readonly topic: string
  readonly ranges: Followed['ranges']
  /** Each partition in order. */
  readonly chunks: readonly Chunk[]
  readonly isCompacted: boolean
}

export async function readTableLogs(
  records: KafkaRecords,
  { tables }: Pick<Definition, 'tables'>,
): Promise<TableLog[]> {
  const logs: TableLog[] = []
  for (const { name: table, from } of tables) {
    const { topic } = from
    if (topic === undefined) continue
    const reader = await records.read({ topic, from: 'earliest', until: 'end' })
    const chunks: Chunk[] = []
    for await (const chunk of reader) chunks.push(chunk)
    const info = (await records.describe([topic])).get(topic)
    const isCompacted = info?.isCompacted === true
    logs.push({ table, topic, ranges: reader.ranges, chunks, isCompacted })
  }
  return logs
}

/**
 * The positions of a topology's tables. A table follows its topic through here, and gets the
 * records before the position that was set last. If that was set back, it reads its topic again.
 */
export class TablePositions {
  /** The header `tidemark-tables` of outputs that are made now. */
  text = ''
  readonly #logs: readonly TableLog[]
  readonly #changed = new ConditionVariable()
  /** By topic, where its table waits for more: by partition, the next offset. */
  readonly #waiting = new Map<string, FollowOptions['from']>()

  constructor(logs: readonly TableLog[]) {
    this.#logs = logs
  }

  get areAny(): boolean {
    return this.#logs.length > 0
  }

  /** Tables whose topics no longer have all records, so that their rows may be others. */
  get incomplete(): readonly string[] {
    return this.#logs.filter(hasLost).map(({ table }) => table)
  }

  /** How many records of the tables' topics are before a position. */
  recordsBefore(text: string): number {
    const ends = this.#logs.flatMap((log) => [...endsOf(log, text).values()])
    return ends.reduce((sum, end) => sum + end, 0)
  }

  /** Resolves when the tables have the rows of another position. */
  async set(text: string): Promise<void> {
    this.text = text
    this.#changed.notifyAll()
    await this.#changed.until(() => this.#logs.every((log) => this.#isAt(log)))
  }

  /** Ends at the position: a table that has read it asks for more. */
  async follow({ topic, from }: FollowOptions): Promise<Followed> {
    const log = this.#logs.find((entry) => entry.topic === topic) as TableLog
    this.#waiting.set(topic, from)
    this.#changed.notifyAll()
    await this.#changed.until(() => !this.#isAt(log))
    this.#waiting.delete(topic)
    const ends = endsOf(log, this.text)
    if ([...ends].some(([partition, end]) => (from.get(partition) ?? 0) > end)) {
      throw new TidemarkError('OFFSET_OUT_OF_RANGE', 'the table has rows of a later position')
    }
    const ranges = [...ends].map(([partition, endOffset]) => {
      const nextOffset = from.get(partition) ?? log.ranges.get(partition)?.nextOffset ?? 0
      return [partition, { nextOffset, endOffset }] as const
    })
    const empty = { topic, epoch: 0, records: NO_RECORDS }
    return {
      ranges: new Map(ranges),
      close: async () => {},
      async *[Symbol.asyncIterator]() {
        for (const [partition, { nextOffset, endOffset }] of ranges) {
          const chunks = log.chunks.filter((chunk) => chunk.partition === partition)
          for (const chunk of chunks) yield* partOf(chunk, nextOffset, endOffset)
          yield { ...empty, partition, nextOffset: endOffset, endOffset }
        }
      },
    }
  }

  #isAt(log: TableLog): boolean {
    const next = this.#waiting.get(log.topic)
    return [...endsOf(log, this.text)].every(([partition, end]) => next?.get(partition) === end)
  }
}

/** By partition, the offset before which records are handed over; without a position, all are. */
function endsOf({ table, ranges }: TableLog, text: string): ReadonlyMap<number, number> {
  const entry = text.split(';').find((part) => part.startsWith(`${table}=`))
  const listed = entry?.slice(table.length + 1)
  const offsets = listed?.split(',').map(Number)
  const count = offsets?.length ?? Number.POSITIVE_INFINITY
  const pairs = [...ranges].filter(([partition]) => partition < count)
  const ends = pairs.map(([partition, { nextOffset: low, endOffset }]) => {
    return [
      partition,
      Math.max(low, Math.min(offsets?.[partition] ?? endOffset, endOffset)),
    ] as const
  })
  return new Map(ends)
}

function* partOf(chunk: Chunk, from: number, to: number): Generator<Chunk> {
  const { records } = chunk
  const part = records.slice(firstFrom(records, from), firstFrom(records, to))
  if (part.length === 0) return
  const nextOffset = part.offsetAt(part.length - 1) + 1
  yield { ...chunk, records: part, nextOffset, endOffset: to }
}

/** Records go for their age, or in a compacted topic for a later one of their key. */
function hasLost({ ranges, chunks, isCompacted }: TableLog): boolean {
  const all = [...ranges.values()]
  const offsets = all.reduce((sum, { nextOffset, endOffset }) => sum + endOffset - nextOffset, 0)
  const records = chunks.reduce((sum, chunk) => sum + chunk.records.length, 0)
  return all.some(({ nextOffset }) => nextOffset > 0) || (isCompacted && records < offsets)
}
