import { Changes } from '../../kernel/changes.ts'
import { partitionName } from '../partition-name.ts'
import type { Assignment, NextOffset, TopicPartition } from '../port.ts'
import { type Committed, startOf } from '../standing.ts'
import type { MemoryLog } from './log.ts'

/** What a group asks of a member. */
export interface GroupMember {
  readonly topics: readonly string[]
  owns(partition: TopicPartition): boolean
  /** Gives up what is not in the list. */
  keepOnly(partitions: readonly TopicPartition[]): void
  take(assignments: readonly Assignment[]): void
  /** Takes the member out of the group and says why: to whoever joins it, later to its handlers. */
  fail(error: Error): void
  /** There may be new records. */
  wake(): void
  leave(): Promise<void>
}

/** A consumer group: who its members are, which partitions each has, and what was committed. */
export class MemoryGroup {
  readonly name: string
  readonly #log: MemoryLog
  readonly #members: GroupMember[] = []
  readonly #committed = new Map<string, Committed>()
  readonly #commits = new Changes()
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

  add(member: GroupMember): void {
    this.#members.push(member)
    this.#rebalance()
  }

  remove(member: GroupMember): void {
    const at = this.#members.indexOf(member)
    if (at < 0) return
    this.#members.splice(at, 1)
    this.#rebalance()
  }

  commit(next: NextOffset): void {
    const { nextOffset, metadata } = next
    this.#committed.set(partitionName(next), { nextOffset, metadata })
    this.#commits.tell()
  }

  /** `null` when nothing was committed yet. */
  committed(partition: TopicPartition): Committed | null {
    return this.#committed.get(partitionName(partition)) ?? null
  }

  /** Every member leaves. */
  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
  }

  /** Wakes every member: there may be new records. */
  wake(): void {
    for (const member of this.#members) member.wake()
  }

  /** Deals the partitions out in turn. All losses are told before any gain, so that no partition has two owners. */
  #rebalance(): void {
    const deal = new Map<GroupMember, TopicPartition[]>(this.#members.map((m) => [m, []]))
    for (const topic of new Set(this.#members.flatMap((m) => m.topics))) {
      const readers = this.#members.filter((m) => m.topics.includes(topic))
      const partitions = this.#log.describe(topic)?.partitions ?? 0
      for (let partition = 0; partition < partitions; partition++) {
        const reader = readers[partition % readers.length]
        if (reader !== undefined) deal.get(reader)?.push({ topic, partition })
      }
    }
    for (const [member, partitions] of deal) member.keepOnly(partitions)
    for (const [member, partitions] of deal) {
      const added = partitions.filter((p) => !member.owns(p))
      try {
        member.take(added.map((p) => this.#assignmentOf(p)))
      } catch (error) {
        // The dealing starts anew without the member; what follows here would be a deal of yesterday.
        member.fail(error as Error)
        return
      }
    }
  }

  #assignmentOf(partition: TopicPartition): Assignment {
    const standing = {
      ...partition,
      committed: this.committed(partition),
      lowOffset: this.#log.startOffset(partition),
      endOffset: this.#log.endOffset(partition),
    }
    const start = startOf(standing, this.name, 'start')
    this.#epochs++
    return { ...partition, ...start, epoch: this.#epochs }
  }
}
