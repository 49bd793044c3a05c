import type {
  JoinOptions,
  LogRecord,
  Member,
  NewRecord,
  Records,
  TopicInfo,
  TopicPartition,
} from '../port.ts'
import type { Committed } from '../standing.ts'
import { MemoryGroup } from './group.ts'
import { MemoryLog, type Position, type TopicOptions } from './log.ts'
import { MemoryMember } from './member.ts'

export interface MemoryRecordsOptions {
  /** Records per chunk at most. @default 500 */
  readonly chunkRecords?: number
}

/** Records in this process: topics, groups and rebalances as on Kafka, without a broker. Gone with the process. */
export class MemoryRecords implements Records {
  readonly #chunkRecords: number
  readonly #log = new MemoryLog()
  readonly #groups = new Map<string, MemoryGroup>()

  constructor(options: MemoryRecordsOptions = {}) {
    this.#chunkRecords = options.chunkRecords ?? 500
  }

  /** @throws TidemarkError `CONFIG_INVALID`: the topic exists already */
  createTopic(name: string, options: TopicOptions): void {
    this.#log.createTopic(name, options)
  }

  /** Appends in the order given and says where each record stands. @throws TidemarkError `TOPIC_MISSING` · `TOPIC_LIMITS` */
  produce(records: readonly NewRecord[]): Position[] {
    try {
      return records.map((record) => this.#log.append(record))
    } finally {
      this.#wake()
    }
  }

  /**
   * What stands in a topic: one partition in order, or all of them, one after the other.
   * @throws TidemarkError `TOPIC_MISSING`
   */
  read(topic: string, partition?: number): LogRecord[] {
    const all = Array.from({ length: this.#log.describe(topic)?.partitions ?? 1 }, (_, i) => i)
    const partitions = partition === undefined ? all : [partition]
    return partitions.flatMap((p) =>
      this.#log.read({ topic, partition: p, offset: 0 }, Number.POSITIVE_INFINITY),
    )
  }

  /** Deletes what a partition holds before an offset. @throws TidemarkError `TOPIC_MISSING` */
  deleteBefore(position: Position): void {
    this.#log.deleteBefore(position)
  }

  /** The offset that the next record of the partition gets. @throws TidemarkError `TOPIC_MISSING` */
  endOffset(partition: TopicPartition): number {
    return this.#log.endOffset(partition)
  }

  /** What a group has committed for a partition; `null` when nothing. */
  committed(group: string, partition: TopicPartition): Committed | null {
    return this.#groups.get(group)?.committed(partition) ?? null
  }

  /** Resolves when the group has committed the end of every partition of a topic: nothing is left to do. */
  settled(group: string, topic: string): Promise<void> {
    return this.#group(group).settled(topic)
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const known = new Map<string, TopicInfo>()
    for (const name of names) {
      const info = this.#log.describe(name)
      if (info !== undefined) known.set(name, info)
    }
    return known
  }

  /** @throws TidemarkError `OFFSET_OUT_OF_RANGE` for the first assignment; for a later one the handler `failed` is told */
  async join(options: JoinOptions): Promise<Member> {
    const group = this.#group(options.group)
    const member = new MemoryMember(options, {
      log: this.#log,
      group,
      chunkRecords: this.#chunkRecords,
      appended: () => this.#wake(),
    })
    await member.join()
    return member
  }

  async close(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.close()))
  }

  #group(name: string): MemoryGroup {
    const group = this.#groups.get(name) ?? new MemoryGroup(name, this.#log)
    this.#groups.set(name, group)
    return group
  }

  #wake(): void {
    for (const group of this.#groups.values()) group.wake()
  }
}
