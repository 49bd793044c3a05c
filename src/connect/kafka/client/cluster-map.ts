import { TidemarkError } from '../../../kernel/errors.ts'
import { groupedBy } from '../../../kernel/grouped.ts'
import type { TopicPartition } from '../../port.ts'
import type { Metadata, TopicMetadata } from '../wire/cluster.ts'
import { CODE, nameOfCode } from '../wire/protocol.ts'
import { notAllowed, unavailable } from './errors.ts'

interface Leader {
  /** `undefined`: the partition has no leader. */
  readonly nodeId: string | undefined
  /** Leader epoch; −1: not reported. */
  readonly epoch: number
}

interface Topic {
  readonly code: number
  readonly id: string | null
  /** Another topic id in the last response, which a second one has to confirm. */
  readonly unconfirmedId: string | null
  readonly leaders: ReadonlyMap<number, Leader>
}

/** Metadata of a cluster's topics, merged from the responses of its brokers. */
export class ClusterMap {
  readonly #topics = new Map<string, Topic>()
  #controller: string | null = null

  get controller(): string | null {
    return this.#controller
  }

  update({ nodes, controllerId, topics }: Metadata): void {
    const alive = new Set(nodes.map(({ nodeId }) => nodeId))
    this.#controller = alive.has(controllerId) ? String(controllerId) : null
    for (const topic of topics) this.#topics.set(topic.topic, this.#merged(topic, alive))
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /** Error code of a topic; `null`: not requested yet. */
  codeOf(topic: string): number | null {
    return this.#topics.get(topic)?.code ?? null
  }

  idOf(topic: string): string | null {
    return this.#topics.get(topic)?.id ?? null
  }

  /** `undefined`: the partition has no leader. */
  leaderOf({ topic, partition }: TopicPartition): string | undefined {
    return this.#topics.get(topic)?.leaders.get(partition)?.nodeId
  }

  /** Leader epoch of a partition; −1: not known. */
  leaderEpochOf({ topic, partition }: TopicPartition): number {
    return this.#topics.get(topic)?.leaders.get(partition)?.epoch ?? -1
  }

  byLeader<P extends TopicPartition>(partitions: readonly P[]): ReadonlyMap<string, readonly P[]> {
    return groupedBy(partitions, (partition) => this.leaderOf(partition))
  }

  get hasUnconfirmedId(): boolean {
    return [...this.#topics.values()].some(({ unconfirmedId }) => unconfirmedId !== null)
  }

  /** Partition numbers of a topic, those without a leader included. */
  partitionsOf(topic: string): readonly number[] {
    return [...(this.#topics.get(topic)?.leaders.keys() ?? [])].sort((a, b) => a - b)
  }

  refuseUnusable(topic: string): void {
    const code = this.codeOf(topic) ?? CODE.NONE
    if (code === CODE.TOPIC_AUTHORIZATION_FAILED) throw notAllowed('DESCRIBE', 'topic', topic)
    if (code === CODE.UNKNOWN_TOPIC_OR_PARTITION || code === CODE.INVALID_TOPIC) {
      const hint = 'if it has another name, give that one: --topic'
      throw new TidemarkError('TOPIC_MISSING', `topic "${topic}" does not exist`, { hint })
    }
    if (this.partitionsOf(topic).length > 0) return
    const answer = nameOfCode(code)
    throw unavailable(`the brokers answered a metadata request for topic "${topic}" with ${answer}`)
  }

  #merged({ topic, code, id, partitions }: TopicMetadata, alive: ReadonlySet<number>): Topic {
    const before = this.#topics.get(topic)
    // A broker may not know a topic for a moment; whoever reads it finds out whether it is gone.
    if (code !== CODE.NONE && partitions.length === 0 && before !== undefined) {
      return { ...before, code }
    }
    const isSame = id !== null && before?.id === id
    // Ids have no order: a new id may be that of a deleted topic, from a broker that does not know
    // the new one yet. It counts once it comes twice in a row.
    const isNewId = id !== null && before !== undefined && before.id !== null && before.id !== id
    if (isNewId && before.unconfirmedId !== id) return { ...before, code, unconfirmedId: id }
    const leaders = partitions.map(({ partition, leader, leaderEpoch: epoch }) => {
      const former = isSame ? before.leaders.get(partition) : undefined
      // A broker that does not know the newest leader yet has an older epoch (KIP-320).
      if (former !== undefined && former.epoch > epoch) return [partition, former] as const
      const nodeId = alive.has(leader) ? String(leader) : undefined
      return [partition, { nodeId, epoch }] as const
    })
    // A topic never loses partitions: a broker that reports fewer does not know all of them yet.
    return {
      code,
      id,
      unconfirmedId: null,
      leaders: new Map([...(isSame ? before.leaders : []), ...leaders]),
    }
  }
}
