import { partitionName } from '../partition-name.ts'
import type { TopicPartition } from '../port.ts'

/** A partition that this member has, and how far it has read. */
export interface Owned extends TopicPartition {
  readonly epoch: number
  nextOffset: number
  /** Handed over; before that nothing is read. */
  started: boolean
  paused: boolean
}

/** What an assignment changes. */
export interface Change {
  readonly lost: readonly Owned[]
  readonly kept: readonly Owned[]
  readonly added: readonly Owned[]
}

/** The partitions of one member, with positions that are its own: the library forgets its own at every rebalance. */
export class Positions {
  readonly #nextEpoch: () => number
  #owned = new Map<string, Owned>()
  #memberId: string | null = null

  /** @param nextEpoch grows with every call, across the members of this process */
  constructor(nextEpoch: () => number) {
    this.#nextEpoch = nextEpoch
  }

  /** By which the group knows the member; `null` before the first assignment. */
  get memberId(): string | null {
    return this.#memberId
  }

  get(partition: TopicPartition): Owned | undefined {
    return this.#owned.get(partitionName(partition))
  }

  all(): Iterable<Owned> {
    return this.#owned.values()
  }

  /** Still this very assignment of the partition. */
  holds(owned: Owned): boolean {
    return this.get(owned) === owned
  }

  /**
   * Takes over an assignment. Under another member id nothing is kept: the group had removed the former member, and
   * others may have owned its partitions meanwhile.
   */
  assign(partitions: readonly TopicPartition[], memberId: string): Change {
    const before = this.#memberId === memberId ? this.#owned : new Map<string, Owned>()
    const former = [...this.#owned.values()]
    this.#memberId = memberId
    this.#owned = new Map()
    const kept: Owned[] = []
    const added: Owned[] = []
    for (const { topic, partition } of partitions) {
      const name = partitionName({ topic, partition })
      const held = before.get(name)
      const owned = held ?? this.#fresh({ topic, partition })
      this.#owned.set(name, owned)
      ;(held === undefined ? added : kept).push(owned)
    }
    return { lost: former.filter((owned) => !this.holds(owned)), kept, added }
  }

  #fresh(partition: TopicPartition): Owned {
    const epoch = this.#nextEpoch()
    return { ...partition, epoch, nextOffset: 0, started: false, paused: false }
  }
}
