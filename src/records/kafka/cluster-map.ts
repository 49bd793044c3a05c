import type { TopicPartition } from '../port.ts'
import { CODE } from './wire/codes.ts'
import type { Metadata, TopicMetadata } from './wire/metadata.ts'

// What is known about a cluster's topics: their leaders and leader epochs.

interface Leader {
  /** `null`: the partition has no leader. */
  readonly nodeId: string | null
  /** Leader epoch; −1: not reported. */
  readonly epoch: number
}

interface Topic {
  /** Error code of the last response. */
  readonly code: number
  readonly id: string | null
  /** Another topic id, which the last response contained; `null`: it contained the same one. */
  readonly rumour: string | null
  readonly leaders: ReadonlyMap<number, Leader>
}

const NONE: Leader = { nodeId: null, epoch: -1 }

/** Metadata of a cluster, merged from the responses of its brokers. */
export class ClusterMap {
  readonly #topics = new Map<string, Topic>()
  #controller: string | null = null

  /** The node id of the controller; `null`: there is none. */
  get controller(): string | null {
    return this.#controller
  }

  /** Merges a metadata response. */
  update({ nodes, controllerId, topics }: Metadata): void {
    const alive = new Set(nodes.map(({ nodeId }) => nodeId))
    this.#controller = alive.has(controllerId) ? String(controllerId) : null
    for (const topic of topics) this.#topics.set(topic.topic, this.#merged(topic, alive))
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /** The error code of a topic; `null`: not requested yet. */
  codeOf(topic: string): number | null {
    return this.#topics.get(topic)?.code ?? null
  }

  /** The id of a topic; `null`: not supported by the brokers, or the topic is not known. */
  idOf(topic: string): string | null {
    return this.#topics.get(topic)?.id ?? null
  }

  leaderOf({ topic, partition }: TopicPartition): Leader {
    return this.#topics.get(topic)?.leaders.get(partition) ?? NONE
  }

  /** Did a response contain another id for a topic, which a second response has to confirm? */
  get hasRumour(): boolean {
    return [...this.#topics.values()].some(({ rumour }) => rumour !== null)
  }

  /** The partition numbers of a topic. */
  partitionsOf(topic: string): readonly number[] {
    return [...(this.#topics.get(topic)?.leaders.keys() ?? [])].sort((a, b) => a - b)
  }

  #merged({ topic, code, id, partitions }: TopicMetadata, alive: ReadonlySet<number>): Topic {
    const before = this.#topics.get(topic)
    // Keep what is known of a topic that a broker does not know for a moment: those who read it
    // find out whether it is gone.
    if (code !== CODE.NONE && partitions.length === 0 && before !== undefined) {
      return { ...before, code }
    }
    const isSame = id !== null && before?.id === id
    // Ids have no order: a new id may be that of a deleted topic, from a broker that does not know
    // the new topic yet. It counts once it comes twice in a row.
    const isNews = id !== null && before !== undefined && before.id !== null && before.id !== id
    if (isNews && before.rumour !== id) return { ...before, code, rumour: id }
    const leaders = partitions.map(({ partition, leader, leaderEpoch: epoch }) => {
      const known = isSame ? before.leaders.get(partition) : undefined
      // A broker that does not know the newest leader yet has an older epoch (KIP-320).
      if (known !== undefined && known.epoch > epoch) return [partition, known] as const
      const nodeId = alive.has(leader) ? String(leader) : null
      return [partition, { nodeId, epoch }] as const
    })
    // A topic never loses partitions: a broker that reports fewer does not know all of them yet.
    return {
      code,
      id,
      rumour: null,
      leaders: new Map([...(isSame ? before.leaders : []), ...leaders]),
    }
  }
}
