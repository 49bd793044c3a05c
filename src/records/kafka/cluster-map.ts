import type { TopicPartition } from '../port.ts'
import { CODE } from './wire/codes.ts'
import type { Metadata, TopicMetadata } from './wire/metadata.ts'

// What is known of a cluster's topics: who leads what, and under which epoch.

interface Leader {
  /** `null`: the partition has none. */
  readonly nodeId: string | null
  /** −1: not told. */
  readonly epoch: number
}

interface Topic {
  /** Of the last answer. */
  readonly code: number
  readonly id: string | null
  /** Another id, which the last answer told; `null`: it told the same. */
  readonly rumour: string | null
  readonly leaders: ReadonlyMap<number, Leader>
}

const NONE: Leader = { nodeId: null, epoch: -1 }

export class ClusterMap {
  readonly #topics = new Map<string, Topic>()
  #controller: string | null = null

  /** The node that makes topics; `null`: there is none. */
  get controller(): string | null {
    return this.#controller
  }

  take({ nodes, controllerId, topics }: Metadata): void {
    const alive = new Set(nodes.map(({ nodeId }) => nodeId))
    this.#controller = alive.has(controllerId) ? String(controllerId) : null
    for (const topic of topics) this.#topics.set(topic.topic, this.#merged(topic, alive))
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /** The broker's code of a topic; `null`: it was not asked for yet. */
  codeOf(topic: string): number | null {
    return this.#topics.get(topic)?.code ?? null
  }

  /** `null`: brokers have none, or the topic is not known. */
  idOf(topic: string): string | null {
    return this.#topics.get(topic)?.id ?? null
  }

  leaderOf({ topic, partition }: TopicPartition): Leader {
    return this.#topics.get(topic)?.leaders.get(partition) ?? NONE
  }

  /** Was another topic of the same name told of, and must be told of once more? */
  get hasRumour(): boolean {
    return [...this.#topics.values()].some(({ rumour }) => rumour !== null)
  }

  /** The numbers of a topic's partitions. */
  partitionsOf(topic: string): readonly number[] {
    return [...(this.#topics.get(topic)?.leaders.keys() ?? [])].sort((a, b) => a - b)
  }

  #merged({ topic, code, id, partitions }: TopicMetadata, alive: ReadonlySet<number>): Topic {
    const before = this.#topics.get(topic)
    // Whether a topic that is not known for a moment is gone, whoever reads it finds out; until
    // then it is assigned as it was.
    if (code !== CODE.NONE && partitions.length === 0 && before !== undefined) {
      return { ...before, code }
    }
    const isSame = id !== null && before?.id === id
    // Ids have no order: one that is told once may be that of a topic before, by a broker that has
    // not heard of the new one.
    const isNews = id !== null && before !== undefined && before.id !== null && before.id !== id
    if (isNews && before.rumour !== id) return { ...before, code, rumour: id }
    const leaders = partitions.map(({ partition, leader, leaderEpoch: epoch }) => {
      const known = isSame ? before.leaders.get(partition) : undefined
      // A broker that has not heard of the newest leader yet is no news (KIP-320).
      if (known !== undefined && known.epoch > epoch) return [partition, known] as const
      const nodeId = alive.has(leader) ? String(leader) : null
      return [partition, { nodeId, epoch }] as const
    })
    // A topic's partitions never become fewer: whoever tells of fewer has not heard of all of them
    // yet.
    return {
      code,
      id,
      rumour: null,
      leaders: new Map([...(isSame ? before.leaders : []), ...leaders]),
    }
  }
}
