import { setImmediate as nextTurn } from 'node:timers/promises'
import { Memory } from '../../kernel/bytes.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { chosenStart, groupStart } from '../group-member.ts'
import { firstFrom } from '../log-records.ts'
import {
  type Commit,
  type Committed,
  type JoinOptions,
  type LogRecords,
  type Member,
  MOST_CHUNK_RECORDS,
  type Source,
  type TopicPartition,
} from '../port.ts'
import { type PartitionLines, recordsOf } from './partition-lines.ts'

// A source over files: lines that are read once, from the first to the last, and commits that a
// caller makes durable. One member has all partitions.

export interface FileSourceOptions {
  readonly topic: string
  readonly partitions: number
  /** The partitions that are read; the others belong to other workers. @default all */
  readonly isOwn?: (partition: number) => boolean
  /** By partition, what an interrupted run has committed. @default nothing */
  readonly committed?: ReadonlyMap<number, Committed>
  /** `null`: there are more, which will not come. */
  readonly lines: AsyncIterable<readonly PartitionLines[] | null>
  /** Whether lines come as they are written: between blocks, all is read so far. @default no */
  readonly isLive?: boolean
  /** Called with lines before they come as a chunk. */
  readonly onLines: (lines: PartitionLines, records: LogRecords) => void
  /** Takes what a commit publishes. Resolves when it is written. */
  readonly publish: (commit: Commit) => Promise<void>
}

interface Partition extends TopicPartition {
  /** Where reading begins. */
  start: number
  nextOffset: number
  /** Behind the last line that was found. */
  endOffset: number
  isPaused: boolean
  /** `null`: nothing is committed. */
  committed: Committed | null
}

export class FileSource implements Source {
  readonly #o: FileSourceOptions
  readonly #partitions: ReadonlyMap<number, Partition>
  readonly #changed = new ConditionVariable()
  /** Whether everything has been read. */
  #isRead = false
  #isOver = false
  #reading: Promise<void> = Promise.resolve()

  constructor(options: FileSourceOptions) {
    this.#o = options
    const { topic, partitions, isOwn = () => true } = options
    const numbers = Array.from({ length: partitions }, (_, partition) => partition).filter(isOwn)
    this.#partitions = new Map(
      numbers.map((partition): [number, Partition] => {
        const committed = options.committed?.get(partition) ?? null
        const nextOffset = committed?.nextOffset ?? 0
        const at = { start: 0, nextOffset, endOffset: 0 }
        return [partition, { topic, partition, ...at, isPaused: false, committed }]
      }),
    )
  }

  /** Resolves when all records are read and committed. */
  settled(): Promise<void> {
    const isDone = ({ committed, nextOffset }: Partition) =>
      (committed?.nextOffset ?? 0) >= nextOffset
    return this.#changed.until(() => this.#isRead && [...this.#partitions.values()].every(isDone))
  }

  async offsets() {
    return [...this.#partitions.values()].map(offsetsOf)
  }

  async join(options: JoinOptions): Promise<Member> {
    const { topic, partitions, publish } = this.#o
    const { handlers } = options
    const member: Member = {
      commit: async (commit) => {
        await publish(commit)
        for (const { partition, nextOffset, metadata } of commit.nextOffsets) {
          this.#of(partition).committed = { nextOffset, metadata }
        }
        this.#changed.notifyAll()
      },
      pause: ({ partition }) => this.#setPaused(partition, true),
      resume: ({ partition }) => this.#setPaused(partition, false),
      isCountedOn: () => true,
      stopFetching: () => this.#end(),
      leave: async () => this.#end(),
    }
    handlers.partitions?.(topic, partitions)
    for (const held of this.#partitions.values()) {
      const start = groupStart(offsetsOf(held), options)
      const assignment = { ...start, lookBackOffset: 0, epoch: 1 }
      held.start = chosenStart(assignment, handlers.assigned(assignment, member))
    }
    this.#reading = this.#read(options).catch((error) => handlers.failed(error as Error))
    return member
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#end()
    await this.#reading
  }

  #of(partition: number): Partition {
    return this.#partitions.get(partition) as Partition
  }

  #setPaused(partition: number, isPaused: boolean): void {
    this.#of(partition).isPaused = isPaused
    this.#changed.notifyAll()
  }

  #end(): void {
    this.#isOver = true
    this.#changed.notifyAll()
  }

  async #read(options: JoinOptions): Promise<void> {
    this.#catchUp(options)
    for await (const lines of this.#o.lines) {
      if (lines === null) return
      for (const part of lines)
        if (this.#partitions.has(part.partition)) await this.#give(part, options)
      if (this.#isOver) return
      this.#catchUp(options)
    }
    for (const { topic, partition, committed, endOffset } of this.#partitions.values()) {
      if (endOffset >= (committed?.nextOffset ?? 0)) continue
      throw new TidemarkError('TOPIC_CHANGED', 'the input is shorter than when it was begun', {
        where: `${topic}-${partition}@${endOffset}`,
      })
    }
    this.#isRead = true
    this.#changed.notifyAll()
  }

  /** Without more lines, partitions are idle in time. */
  #catchUp({ handlers }: JoinOptions): void {
    if (this.#o.isLive !== true) return
    for (const held of this.#partitions.values()) handlers.caughtUp(held, held.endOffset)
  }

  /** A partition that is paused holds up the others, because they are in the same files. */
  async #give(lines: PartitionLines, { handlers }: JoinOptions): Promise<void> {
    const held = this.#of(lines.partition)
    const { topic, partition } = held
    const records = recordsOf(new Memory(lines.bytes), lines)
    this.#o.onLines(lines, records)
    held.endOffset = records.offsetAt(records.length - 1) + 1
    for (let at = firstFrom(records, held.start); at < records.length; at += MOST_CHUNK_RECORDS) {
      await this.#changed.until(() => !held.isPaused || this.#isOver)
      if (this.#isOver) return
      const some = records.slice(at, at + MOST_CHUNK_RECORDS)
      const nextOffset = some.offsetAt(some.length - 1) + 1
      held.nextOffset = Math.max(held.nextOffset, nextOffset)
      const place = { topic, partition, epoch: 1, nextOffset, endOffset: nextOffset }
      handlers.chunk({ ...place, records: some })
      await nextTurn()
    }
  }
}

function offsetsOf({ topic, partition, committed, nextOffset }: Partition) {
  return { topic, partition, committed, lowOffset: 0, endOffset: nextOffset }
}
