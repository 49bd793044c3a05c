import type { Broker, Cluster, Offsets, PartitionOffset } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { NextOffset } from '../port.ts'
import { fromKafka } from './errors.ts'
import { within } from './waiting.ts'

// What a member and its group agree on: the generation, and what is committed under it. The library tells its user neither
// the generation nor when it joins again, and commits under whatever generation is then current. Both pass through the
// coordinator that it asks the cluster for; so the cluster of one consumer is given another way to find it.

/** What the library's brokers do and its types leave out. */
export interface Coordinator extends Broker {
  joinGroup(request: unknown): Promise<Generation>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

/** A membership between two rebalances. */
export interface Generation {
  readonly generationId: number
  readonly memberId: string
}

/** A group waits for its members to join again, so they must not wait for long; sessions last longer. */
const COMMIT_IN_FLIGHT_MS = 5_000
const COMMIT_MS = 10_000

export class Coordination {
  readonly #cluster: Cluster
  readonly #group: string
  #coordinator: Coordinator | null = null
  /** Joined, but its partitions are not dealt out yet. */
  #joined: Generation | null = null
  /** Under which offsets can be committed; `null` from JoinGroup on. */
  #generation: Generation | null = null
  /** No commit may begin. */
  #joining = true
  #commit: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, group: string) {
    this.#cluster = cluster
    this.#group = group
    const find = cluster.findGroupCoordinator.bind(cluster)
    cluster.findGroupCoordinator = async (of) => this.#watched((await find(of)) as Coordinator)
  }

  /** By which the group knows the member; `null` before it has joined. */
  get memberId(): string | null {
    return this.#joined?.memberId ?? null
  }

  /** The generation that was joined last; its partitions may not be dealt out yet. @throws TidemarkError `INVARIANT`: none */
  get joined(): Generation {
    // Only when the library has come by another way to its coordinator.
    if (this.#joined === null) throw new TidemarkError('INVARIANT', 'no JoinGroup was seen')
    return this.#joined
  }

  /** The assignment of the generation that was joined is in force, and what it took away is gone: commits may go on. */
  settle(): void {
    this.#generation = this.joined
    this.#joining = false
  }

  /**
   * Writes outputs, then commits offsets under the generation that held when it was called. One at a time.
   * @throws TidemarkError `REBALANCING` · `FENCED` · `COMMIT_FAILED` · `BROKER_UNAVAILABLE` · what `write` throws
   */
  commit(write: () => Promise<void>, nextOffsets: () => readonly NextOffset[]): Promise<void> {
    const committing = this.#commitUnder(this.#generation, write, nextOffsets)
    this.#commit = committing.catch(() => {})
    return committing
  }

  async #commitUnder(
    generation: Generation | null,
    write: () => Promise<void>,
    nextOffsets: () => readonly NextOffset[],
  ): Promise<void> {
    if (generation === null || this.#joining) throw this.#rebalancing()
    await write()
    const offsets = nextOffsets()
    if (offsets.length > 0) await this.#send(generation, offsets)
  }

  async #send(generation: Generation, nextOffsets: readonly NextOffset[]): Promise<void> {
    const request = {
      groupId: this.#group,
      groupGenerationId: generation.generationId,
      memberId: generation.memberId,
      topics: topicsOf(nextOffsets),
    }
    const sending = async () => {
      const coordinator = await this.#connected()
      if (this.#generation !== generation) throw this.#rebalancing()
      await coordinator.offsetCommit(request)
    }
    try {
      await within(COMMIT_MS, 'committing', sending())
    } catch (error) {
      // It may have moved to another broker.
      this.#coordinator = null
      throw fromKafka(error, 'COMMIT_FAILED')
    }
  }

  async #connected(): Promise<Coordinator> {
    const known = this.#coordinator
    if (known?.isConnected() === true) return known
    const found = await this.#cluster.findGroupCoordinator({ groupId: this.#group })
    this.#coordinator = found as Coordinator
    return this.#coordinator
  }

  /** The coordinator, but for JoinGroup: between it and the end of SyncGroup nothing is committed (PROTOCOL C2). */
  #watched(coordinator: Coordinator): Coordinator {
    const joinGroup: Coordinator['joinGroup'] = async (request) => {
      this.#joining = true
      // The offsets of what was published meanwhile still count in the old generation.
      await within(COMMIT_IN_FLIGHT_MS, 'committing', this.#commit).catch(() => {})
      this.#generation = null
      this.#joined = await coordinator.joinGroup(request)
      this.#coordinator = coordinator
      return this.#joined
    }
    return new Proxy(coordinator, {
      get: (target, name) => {
        if (name === 'joinGroup') return joinGroup
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  #rebalancing(): TidemarkError {
    return new TidemarkError(
      'REBALANCING',
      `group "${this.#group}" is dealing out its partitions anew`,
    )
  }
}

/** The library passes `metadata` on, which its type leaves out. */
function topicsOf(nextOffsets: readonly NextOffset[]): Offsets['topics'] {
  const byTopic = new Map<string, (PartitionOffset & { metadata: string })[]>()
  for (const { topic, partition, nextOffset, metadata } of nextOffsets) {
    const partitions = byTopic.get(topic) ?? []
    partitions.push({ partition, offset: String(nextOffset), metadata })
    byTopic.set(topic, partitions)
  }
  return [...byTopic].map(([topic, partitions]) => ({ topic, partitions }))
}
