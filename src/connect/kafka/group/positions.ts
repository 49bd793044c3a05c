import { partitionName } from '../../../kernel/ids.ts'
import type { Committed, TopicPartition } from '../../port.ts'
import type { FetchPosition } from '../consume/fetcher.ts'
import type { Generation, PartitionOffset } from '../wire/groups.ts'
import type { MemberMetadata } from './sticky-assigner.ts'

export interface Owned extends FetchPosition {
  topicId: string | null
  readonly epoch: number
  started: boolean
  /** The committed offset, or where the partition begins without one. */
  committed: Committed
  /** The group's offset and metadata; `null`: not fetched yet. */
  stored: Stored | null
  /** Whether it is marked with this member's name, for the next owner. */
  isClaimed: boolean
  /** Number of this member's transactions that have committed an offset of it. */
  commits: number
}

export type Stored = Pick<PartitionOffset, 'offset' | 'metadata'>

const NEVER: Generation = { generationId: -1, memberId: '' }

/** Keeps partitions from one generation to the next; after a missed one, only untouched ones. */
export class Positions {
  readonly #nextEpoch: () => number
  readonly #transactionalId: string | null
  #owned = new Map<string, Owned>()
  #generation: Generation | null = null

  /** @param nextEpoch returns a higher number with every call, for all members of this process */
  constructor(nextEpoch: () => number, transactionalId: string | null = null) {
    this.#nextEpoch = nextEpoch
    this.#transactionalId = transactionalId
  }

  get metadata(): Omit<MemberMetadata, 'address'> {
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

  holds(owned: Owned): boolean {
    return this.get(owned) === owned
  }

  /**
   * Partitions that others may have had, because an assignment in between never arrived here. None
   * under another member id, because the group had removed the former member.
   */
  doubtful(generation: Generation): readonly Owned[] {
    const { generationId, memberId } = this.#generation ?? NEVER
    const isSame = generation.memberId === memberId
    const hasMissed = generation.generationId > generationId + 1
    return isSame && hasMissed ? [...this.#owned.values()].filter((owned) => owned.started) : []
  }

  /** @param untouched {@link doubtful} partitions for which no one has committed anything */
  assign(
    partitions: readonly TopicPartition[],
    generation: Generation,
    untouched: readonly Owned[] = [],
  ) {
    const { generationId, memberId } = this.#generation ?? NEVER
    const isNext = generation.memberId === memberId && generation.generationId === generationId + 1
    const former = [...this.#owned.values()]
    // A partition may have been renewed after the check.
    const sound = new Set((isNext ? former : untouched).filter((owned) => this.holds(owned)))
    const before = new Map([...sound].map((owned) => [partitionName(owned), owned]))
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
    const revoked = lost.filter((owned) => sound.has(owned))
    return { lost: { revoked, expelled: lost.filter((owned) => !sound.has(owned)) }, added }
  }

  renew({ topic, partition }: Owned): Owned {
    const renewed = this.#fresh({ topic, partition })
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
      stored: null,
      isClaimed: false,
      commits: 0,
    }
  }
}
