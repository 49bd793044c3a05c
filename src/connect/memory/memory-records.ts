import { setImmediate as nextTurn } from 'node:timers/promises'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import type { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { groupActive } from '../group-member.ts'
import type { DamagedBatch, GroupMember, Groups } from '../groups.ts'
import {
  type Chunk,
  type Committed,
  type Followed,
  type FollowedRange,
  type FollowOptions,
  type JoinOptions,
  type LogRecord,
  type Member,
  MOST_CHUNK_RECORDS,
  type NewRecord,
  type NewTopic,
  type PartitionOffsets,
  type RecordSink,
  type Records,
  type Source,
  type TopicInfo,
  type TopicPartition,
  type Topics,
} from '../port.ts'
import { type GroupContext, MemoryGroup, MemoryMember } from './group.ts'
import { type LogPosition, MemoryLog, type TopicOptions } from './log.ts'

/** Topics, groups and rebalances as on Kafka, in the memory of this process. */
export class MemoryRecords implements Records, Source, Topics, Groups {
  readonly source = this
  readonly topics = this
  readonly #log = new MemoryLog()
  readonly #context: GroupContext
  readonly #groups = new Map<string, MemoryGroup>()
  readonly #followers = new Set<MemoryFollower>()
  #joins = 0

  /** @param chunkRecords records per chunk at most, up to 2,048 @default 500 */
  constructor({ chunkRecords = 500 }: { readonly chunkRecords?: number } = {}) {
    this.#context = {
      log: this.#log,
      chunkRecords: Math.min(chunkRecords, MOST_CHUNK_RECORDS),
      appended: () => this.#wake(),
      withholdsCommits: false,
    }
  }

  /** @throws TidemarkError `CONFIG_INVALID`: the topic exists already */
  createTopic(name: string, options: TopicOptions): void {
    this.#log.createTopic(name, options)
  }

  /** Deletes a topic and the offsets that groups have committed for it, as a broker does. */
  deleteTopic(name: string): void {
    for (const group of this.#groups.values()) group.forget(name)
    this.#log.deleteTopic(name)
    this.#wake()
  }

  /** @throws TidemarkError `TOPIC_MISSING` · `TOPIC_LIMITS` */
  produce(records: readonly NewRecord[]): LogPosition[] {
    try {
      return records.map((record) => this.#log.append(record))
    } finally {
      this.#wake()
    }
  }

  /** Records of one partition in order, or of all partitions, one after the other. */
  read(topic: string, partition?: number): LogRecord[] {
    const all = this.#log.partitionsOf(topic)
    const partitions = partition === undefined ? all : [{ topic, partition }]
    return partitions.flatMap((each) => this.#log.read({ ...each, offset: 0 }))
  }

  /** Adds partitions to a topic, as a broker does. @param partitions the new total */
  addPartitions(topic: string, partitions: number): void {
    this.#log.addPartitions(topic, partitions)
    for (const group of this.#groups.values()) group.grown(topic)
    for (const follower of this.#followers) follower.wake()
  }

  resetOffset(group: string, partition: TopicPartition, committed: Committed): void {
    this.#group(group).commit({ ...partition, ...committed })
  }

  deleteBefore(first: LogPosition): void {
    this.#log.deleteBefore(first)
  }

  /** By partition. */
  endOffsets(topic: string): number[] {
    return this.#log.partitionsOf(topic).map((partition) => this.#log.endOffset(partition))
  }

  committed(group: string, partition: TopicPartition): Committed | null {
    return this.#groups.get(group)?.committed(partition) ?? null
  }

  /** Resolves when the group has committed all records of a topic. */
  settled(group: string, topic: string): Promise<void> {
    return this.#group(group).settled(topic)
  }

  async missingRights(): Promise<readonly TidemarkError[]> {
    return []
  }

  async create(topics: readonly NewTopic[]): Promise<void> {
    for (const { name, partitions, config } of topics) {
      if (this.#log.describe(name) !== undefined) continue
      const isCompacted = config?.['cleanup.policy'] === 'compact'
      this.#log.createTopic(name, { partitions, isCompacted })
    }
  }

  async readAll({ topic, partition }: TopicPartition): Promise<readonly LogRecord[]> {
    return this.read(topic, partition)
  }

  async describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const infos = names.flatMap((name) => this.#log.describe(name) ?? [])
    return new Map(infos.map((info) => [info.name, info]))
  }

  async offsets(group: string, topic: string): Promise<readonly PartitionOffsets[]> {
    return this.#log.partitionsOf(topic).map((partition) => this.#group(group).offsets(partition))
  }

  async members(group: string): Promise<readonly GroupMember[]> {
    return this.#group(group).members
  }

  async setOffsets(group: string, offsets: readonly (TopicPartition & Committed)[]): Promise<void> {
    if (this.#group(group).members.length > 0) throw groupActive(group)
    for (const { topic, partition, ...committed } of offsets) {
      this.resetOffset(group, { topic, partition }, committed)
    }
  }

  async damagedBatch(): Promise<DamagedBatch | null> {
    return null
  }

  async offsetsSince(topic: string, timeMs: number): Promise<ReadonlyMap<string, number>> {
    return new Map(
      this.#log.partitionsOf(topic).map((partition) => {
        const all = this.#log.read({ ...partition, offset: 0 })
        const first = all.find(({ timestampMs }) => timestampMs >= timeMs)
        return [partitionName(partition), first?.offset ?? -1]
      }),
    )
  }

  /** @throws TidemarkError `OFFSET_OUT_OF_RANGE` for the first assignment */
  async join(options: JoinOptions): Promise<Member> {
    const group = this.#group(options.group)
    this.#joins++
    const member = new MemoryMember(options, String(this.#joins), group)
    await member.join()
    return member
  }

  async follow(options: FollowOptions): Promise<Followed> {
    const follower = new MemoryFollower(options, this.#context)
    this.#followers.add(follower)
    return follower
  }

  writer(): RecordSink {
    return {
      write: async (records) => void this.produce([...records]),
      close: async () => {},
    }
  }

  /** From here to {@link crash}, groups commit no offsets, and no records that go with them. */
  withholdCommits(): void {
    this.#context.withholdsCommits = true
  }

  /** Ends every member as if its process had died: no handler is called, and the records stay. */
  crash(): void {
    this.#context.withholdsCommits = false
    for (const group of this.#groups.values()) group.crash()
    for (const follower of this.#followers) follower.die()
  }

  async close(): Promise<void> {
    for (const follower of this.#followers) await follower.close()
    await Promise.all([...this.#groups.values()].map((group) => group.close()))
  }

  #group(name: string): MemoryGroup {
    const group = this.#groups.get(name) ?? new MemoryGroup(this.#context)
    this.#groups.set(name, group)
    return group
  }

  #wake(): void {
    for (const group of this.#groups.values()) group.wake()
    for (const follower of this.#followers) follower.wake()
  }
}

class MemoryFollower implements Followed {
  readonly ranges: ReadonlyMap<number, FollowedRange>
  readonly #topic: string
  readonly #context: GroupContext
  readonly #positions: number[]
  readonly #changed = new ConditionVariable()
  #isClosed = false
  #isDead = false

  constructor({ topic, from }: FollowOptions, context: GroupContext) {
    const { log } = context
    this.#topic = topic
    this.#context = context
    this.#positions = log
      .partitionsOf(topic)
      .map((place) => from.get(place.partition) ?? log.lowOffset(place))
    this.ranges = new Map(
      this.#positions.map((nextOffset, partition) => {
        return [partition, { nextOffset, endOffset: log.endOffset({ topic, partition }) }]
      }),
    )
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    while (!this.#isClosed) {
      await nextTurn()
      if (this.#isDead) return new Promise(() => {})
      for (const partition of this.#context.log.partitionsOf(this.#topic)) {
        if (this.#isClosed || this.#isDead) break
        const chunk = this.#next(partition)
        if (chunk !== null) yield chunk
      }
      await this.#changed.until(() => this.#isClosed || (!this.#isDead && this.#hasMore))
    }
  }

  /** Ends without any further call, not even an end of the iteration. */
  die(): void {
    this.#isDead = true
  }

  wake(): void {
    this.#changed.notifyAll()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.wake()
  }

  get #hasMore(): boolean {
    const { log } = this.#context
    // The next turn reports that the topic is missing.
    if (log.describe(this.#topic) === undefined) return true
    return log
      .partitionsOf(this.#topic)
      .some((partition) => log.endOffset(partition) > (this.#positions[partition.partition] ?? 0))
  }

  #next(partition: TopicPartition): Chunk | null {
    const { log, chunkRecords } = this.#context
    const offset = this.#positions[partition.partition] ?? log.lowOffset(partition)
    const chunk = log.chunkAt({ ...partition, epoch: 0, offset }, chunkRecords)
    if (chunk.records.length === 0) return null
    this.#positions[partition.partition] = chunk.nextOffset
    return chunk
  }
}
