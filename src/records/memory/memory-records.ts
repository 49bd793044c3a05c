import { TidemarkError } from '../../kernel/errors.ts'
import {
  type Committed,
  type JoinOptions,
  type LogRecord,
  type Member,
  MOST_CHUNK_RECORDS,
  type NewRecord,
  type PartitionOffsets,
  type Records,
  type TopicInfo,
  type TopicPartition,
} from '../port.ts'
import { MemoryGroup } from './group.ts'
import { MemoryLog, type NewPackedBatch, type Position, type TopicOptions } from './log.ts'
import { type Link, MemoryMember } from './member.ts'

export interface MemoryRecordsOptions {
  /** Records per chunk at most, up to 2,048. @default 500 */
  readonly chunkRecords?: number
  /** How fast commits get through. @default in no time */
  readonly link?: Link
}

/**
 * Records in this process: topics, groups and rebalances as on Kafka, without a broker. Gone with
 * the process.
 */
export class MemoryRecords implements Records {
  readonly #chunkRecords: number
  readonly #link: Link | undefined
  readonly #log: MemoryLog
  readonly #groups = new Map<string, MemoryGroup>()
  #joins = 0

  constructor(options: MemoryRecordsOptions = {}, log = new MemoryLog()) {
    this.#chunkRecords = Math.min(options.chunkRecords ?? 500, MOST_CHUNK_RECORDS)
    this.#link = options.link
    this.#log = log
  }

  /**
   * The same topics, records and committed offsets once more, without members: from here on both go
   * their own ways.
   */
  clone(): MemoryRecords {
    const log = this.#log.copy()
    const link = this.#link === undefined ? {} : { link: this.#link }
    const clone = new MemoryRecords({ chunkRecords: this.#chunkRecords, ...link }, log)
    for (const [name, group] of this.#groups) clone.#groups.set(name, group.copy(log))
    return clone
  }

  /** @throws TidemarkError `CONFIG_INVALID`: the topic exists already */
  createTopic(name: string, options: TopicOptions): void {
    this.#log.createTopic(name, options)
  }

  /**
   * Deletes a topic and what groups have committed for it, as a broker does. @throws TidemarkError
   * `TOPIC_MISSING`
   */
  deleteTopic(name: string): void {
    for (const group of this.#groups.values()) group.forget(name)
    this.#log.deleteTopic(name)
    this.#wake()
  }

  /**
   * Appends in the order given and says where each record stands. @throws TidemarkError
   * `TOPIC_MISSING` · `TOPIC_LIMITS`
   */
  produce(records: readonly NewRecord[]): Position[] {
    try {
      return records.map((record) => this.#log.append(record))
    } finally {
      this.#wake()
    }
  }

  /**
   * Appends a batch that unpacks to more than is allowed: it is handed over as it is. @throws
   * TidemarkError `TOPIC_MISSING`
   */
  producePacked(to: TopicPartition, batch: NewPackedBatch): Position {
    try {
      return this.#log.appendPacked(to, batch)
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

  /**
   * Gives a topic more partitions, as a broker does: groups assign them. @throws TidemarkError
   * `TOPIC_MISSING`
   */
  addPartitions(topic: string, partitions: number): void {
    this.#log.addPartitions(topic, partitions)
    for (const group of this.#groups.values()) group.grown(topic)
  }

  /** Sets what a group has committed, as an operator's tool does, or another consumer. */
  resetOffset(group: string, partition: TopicPartition, committed: Committed): void {
    this.#group(group).commit({ ...partition, ...committed })
  }

  /** Deletes what a partition holds before an offset. @throws TidemarkError `TOPIC_MISSING` */
  deleteBefore(position: Position): void {
    this.#log.deleteBefore(position)
  }

  /**
   * The offset that the next record of the partition gets. @throws TidemarkError `TOPIC_MISSING`
   */
  endOffset(partition: TopicPartition): number {
    return this.#log.endOffset(partition)
  }

  /** What a group has committed for a partition; `null` when nothing. */
  committed(group: string, partition: TopicPartition): Committed | null {
    return this.#groups.get(group)?.committed(partition) ?? null
  }

  /**
   * Resolves when the group has committed the end of every partition of a topic: nothing is left to
   * do.
   */
  settled(group: string, topic: string): Promise<void> {
    return this.#group(group).settled(topic)
  }

  /** Everybody may do everything. */
  async missingRights(): Promise<readonly TidemarkError[]> {
    return []
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const known = new Map<string, TopicInfo>()
    for (const name of names) {
      const info = this.#log.describe(name)
      if (info !== undefined) known.set(name, info)
    }
    return known
  }

  async partitionOffsets(group: string, topic: string): Promise<readonly PartitionOffsets[]> {
    const info = this.#log.describe(topic)
    if (info === undefined) {
      throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`)
    }
    const of = this.#group(group)
    return Array.from({ length: info.partitions }, (_, partition) =>
      of.offsets({ topic, partition }),
    )
  }

  /**
   * @throws TidemarkError `OFFSET_OUT_OF_RANGE` for the first assignment; for a later one the
   * handler `failed` is told
   */
  async join(options: JoinOptions): Promise<Member> {
    const group = this.#group(options.group)
    this.#joins++
    const member = new MemoryMember(options, {
      memberId: String(this.#joins),
      log: this.#log,
      group,
      chunkRecords: this.#chunkRecords,
      link: this.#link,
      appended: () => this.#wake(),
    })
    await member.join()
    return member
  }

  /**
   * Every member stops as if its process had died: it hears nothing more, commits nothing more
   * (`FENCED`), and leaves nothing but what it had committed. The records stay, for others to join.
   */
  crash(): void {
    for (const group of this.#groups.values()) group.crash()
  }

  /**
   * A group has heard nothing of its members for too long: all they have is lost to them, and they
   * come back as new ones.
   */
  expel(group: string): void {
    this.#group(group).expel()
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
