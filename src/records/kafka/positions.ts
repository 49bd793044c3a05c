import { partitionName } from '../../kernel/ids.ts'
import type { Committed, Loss, TopicPartition } from '../port.ts'
import type { Claims } from './claims.ts'
import type { Generation } from './commit-gate.ts'
import type { Fetchable } from './fetcher.ts'

/** A partition that this member has, and how far it has read. */
export interface Owned extends Fetchable {
  topicId: string | null
  readonly epoch: number
  /** Handed over; before that nothing is read. */
  started: boolean
  paused: boolean
  /** What is committed of it, or where it begins when nothing is. */
  committed: Committed
  /** Is it known by this member's name to whoever takes over from it? */
  isClaimed: boolean
  /** Transactions of this member that have committed an offset of it. */
  commits: number
}

/** What an assignment changes. */
export interface Change {
  readonly lost: readonly Owned[]
  /** Why those are lost. */
  readonly why: Loss
  readonly added: readonly Owned[]
}

/** The partitions of one member, and how far each has been read. */
export class Positions {
  readonly #nextEpoch: () => number
  readonly #transactionalId: string | null
  #owned = new Map<string, Owned>()
  #generation: Generation | null = null

  /**
   * @param nextEpoch grows with every call, across the members of this process
   * @param transactionalId under which the member commits
   */
  constructor(nextEpoch: () => number, transactionalId: string | null = null) {
    this.#nextEpoch = nextEpoch
    this.#transactionalId = transactionalId
  }

  /** What this member has to say when partitions are dealt out. */
  get claims(): Claims {
    return {
      generation: this.#generation?.generationId ?? -1,
      owned: [...this.#owned.values()],
      transactionalId: this.#transactionalId,
    }
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
   * Takes over an assignment. Nothing is kept when others may have had the partitions meanwhile: under another member id,
   * because the group had removed the former member, and after a generation whose assignment did not get here.
   */
  assign(partitions: readonly TopicPartition[], generation: Generation): Change {
    const { generationId, memberId } = this.#generation ?? { generationId: -1, memberId: '' }
    const isNext = generation.memberId === memberId && generation.generationId === generationId + 1
    const before = isNext ? this.#owned : new Map<string, Owned>()
    const former = [...this.#owned.values()]
    this.#generation = generation
    this.#owned = new Map()
    const added: Owned[] = []
    for (const { topic, partition } of partitions) {
      const name = partitionName({ topic, partition })
      const held = before.get(name)
      const owned = held ?? this.#fresh({ topic, partition })
      this.#owned.set(name, owned)
      if (held === undefined) added.push(owned)
    }
    const lost = former.filter((owned) => !this.holds(owned))
    return { lost, why: isNext ? 'revoked' : 'expelled', added }
  }

  /** Another assignment of a partition that is held. */
  renew({ topic, partition, isClaimed, commits }: Owned): Owned {
    const renewed = { ...this.#fresh({ topic, partition }), isClaimed, commits }
    this.#owned.set(partitionName(renewed), renewed)
    return renewed
  }

  #fresh(partition: TopicPartition): Owned {
    const epoch = this.#nextEpoch()
    return {
      ...partition,
      epoch,
      nextOffset: 0,
      reportedEnd: -1,
      topicId: null,
      readEpoch: -1,
      checkedEpoch: -1,
      started: false,
      paused: false,
      committed: { nextOffset: 0, metadata: '' },
      isClaimed: false,
      commits: 0,
    }
  }
}
