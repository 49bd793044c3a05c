import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { partitionName } from '../../kernel/ids.ts'
import { groupStart, lookBackMsOf, lookBackSince, plainLookBack } from '../group-member.ts'
import type {
  Assignment,
  Committed,
  JoinOptions,
  Loss,
  PartitionOffsets,
  Start,
  TopicPartition,
} from '../port.ts'
import { assignSticky } from '../sticky-assignment.ts'
import type { MemoryLog } from './log.ts'

/** A member as its group sees it. */
export interface MemoryGroupMember {
  readonly id: string
  readonly topics: readonly string[]
  readonly options: JoinOptions
  readonly owned: readonly TopicPartition[]
  /** @param why @default 'revoked' */
  keepOnly(partitions: readonly TopicPartition[], why?: Loss): void
  assign(assignment: Assignment): void
  /** Removes the member and reports why: to the caller of `join`, later to its handlers. */
  fail(error: Error): void
  wake(): void
  crash(): void
  leave(): Promise<void>
}

/** A consumer group: its members, their partitions and the committed offsets. */
export class MemoryGroup {
  readonly name: string
  readonly #log: MemoryLog
  readonly #members: MemoryGroupMember[] = []
  readonly #committed = new Map<string, Committed>()
  readonly #commits = new ConditionVariable()
  #epochs = 0

  constructor(name: string, log: MemoryLog) {
    this.name = name
    this.#log = log
  }

  /** Resolves when the group has committed the end of every partition of a topic. */
  settled(topic: string): Promise<void> {
    const partitions = this.#log.describe(topic)?.partitions ?? 0
    const holds = () =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })).every(
        (p) => (this.committed(p)?.nextOffset ?? 0) >= this.#log.endOffset(p),
      )
    return this.#commits.until(holds)
  }

  add(member: MemoryGroupMember): void {
    this.#members.push(member)
    this.#tellPartitions(member, member.topics)
    this.#rebalance()
  }

  remove(member: MemoryGroupMember): void {
    const at = this.#members.indexOf(member)
    if (at < 0) return
    this.#members.splice(at, 1)
    this.#rebalance()
  }

  commit(next: Committed & TopicPartition): void {
    const { nextOffset, metadata } = next
    this.#committed.set(partitionName(next), { nextOffset, metadata })
    this.#commits.notifyAll()
  }

  committed(partition: TopicPartition): Committed | null {
    return this.#committed.get(partitionName(partition)) ?? null
  }

  /** @throws TidemarkError `TOPIC_MISSING` */
  offsets({ topic, partition }: TopicPartition): PartitionOffsets {
    return {
      topic,
      partition,
      committed: this.committed({ topic, partition }),
      lowOffset: this.#log.lowOffset({ topic, partition }),
      endOffset: this.#log.endOffset({ topic, partition }),
    }
  }

  grown(topic: string): void {
    for (const member of [...this.#members]) this.#tellPartitions(member, [topic])
    this.#rebalance()
  }

  forget(topic: string): void {
    const partitions = this.#log.describe(topic)?.partitions ?? 0
    for (let partition = 0; partition < partitions; partition++) {
      this.#committed.delete(partitionName({ topic, partition }))
    }
  }

  /** A group with the same name and offsets on another log, without members. */
  copy(log: MemoryLog): MemoryGroup {
    const copy = new MemoryGroup(this.name, log)
    for (const [name, committed] of this.#committed) copy.#committed.set(name, committed)
    return copy
  }

  /** Ends every member without calling any handler. */
  crash(): void {
    for (const member of this.#members.splice(0)) member.crash()
  }

  /** Expels all members; each joins again as a new member without partitions. */
  expel(): void {
    const expelled = this.#members.splice(0)
    for (const member of expelled) member.keepOnly([], 'expelled')
    for (const member of expelled) this.add(member)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
  }

  wake(): void {
    for (const member of this.#members) member.wake()
  }

  #tellPartitions({ topics, options }: MemoryGroupMember, of: readonly string[]): void {
    for (const topic of of.filter((name) => topics.includes(name))) {
      const count = this.#log.describe(topic)?.partitions
      if (count !== undefined) options.handlers.partitions?.(topic, count)
    }
  }

  /** Reports all losses before any assignment, so that no partition has two owners. */
  #rebalance(): void {
    const assignment = this.#assign()
    for (const [member, partitions] of assignment) member.keepOnly(partitions)
    for (const [member, partitions] of assignment) {
      const before = new Set(member.owned.map(partitionName))
      const added = partitions.filter((p) => !before.has(partitionName(p)))
      try {
        for (const partition of added) member.assign(this.assignmentOf(partition, member.options))
      } catch (error) {
        // A new rebalance without the member has begun; the rest of this assignment is outdated.
        member.fail(error as Error)
        return
      }
    }
  }

  #assign(): Map<MemoryGroupMember, TopicPartition[]> {
    const counts = new Map<string, number>()
    for (const topic of this.#members.flatMap((m) => m.topics)) {
      counts.set(topic, this.#log.describe(topic)?.partitions ?? 0)
    }
    const claimants = this.#members.map(({ id, topics, owned }) => ({
      id,
      topics,
      owned,
      generation: 0,
    }))
    const assignment = assignSticky(claimants, counts)
    return new Map(this.#members.map((member) => [member, assignment.get(member.id) ?? []]))
  }

  /** @throws TidemarkError `OFFSET_OUT_OF_RANGE` */
  assignmentOf(partition: TopicPartition, options: JoinOptions): Assignment {
    const start = groupStart(this.offsets(partition), options)
    const lookBackMs = lookBackMsOf(options.handlers, start)
    const lookBackOffset = plainLookBack(start, lookBackMs) ?? this.#lookBack(start, lookBackMs)
    this.#epochs++
    return { ...start, lookBackOffset, epoch: this.#epochs }
  }

  /** Finds the same offset as the driver for Kafka. */
  #lookBack(start: Start, lookBackMs: number): number {
    const { topic, partition, lowOffset: offset, nextOffset } = start
    const at = { topic, partition, offset: Math.max(offset, nextOffset - 1) }
    const reference = this.#log.read(at, 2).at(-1)
    const sinceMs = lookBackSince(reference?.timestampMs ?? null, lookBackMs)
    if (sinceMs === null) return offset
    const first = this.#log.since({ ...at, offset }, sinceMs)
    return Math.min(first?.offset ?? nextOffset, nextOffset)
  }
}
