import kafkajs, { type Assigner, type GroupMember, PartitionAssigners } from 'kafkajs'
import { TidemarkError } from '../../../kernel/errors.ts'
import { Backoff } from '../../../kernel/random.ts'
import type { RebalanceCause, TopicPartition } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import { fromKafka, isElecting } from '../client/errors.ts'
import type { GroupBroker } from '../client/library.ts'
import type { Generation } from '../wire/groups.ts'
import {
  decodeShared,
  type MemberMetadata,
  type Shared,
  stickyAssigner,
} from './sticky-assigner.ts'

const { MemberAssignment } = kafkajs.AssignerProtocol

interface Joined extends Generation {
  readonly leaderId: string
  readonly groupProtocol: string
  /** Empty, except for the leader. */
  readonly members: GroupMember[]
}

export interface Assigned extends Shared {
  readonly generation: Generation
  readonly partitions: readonly TopicPartition[]
}

/** Handlers that a membership calls; they must not throw. */
export interface MembershipOptions {
  readonly brokers: Brokers
  readonly group: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly metadata: () => MemberMetadata
  /** Called before JoinGroup; resolves when it may be sent. */
  readonly leaving: () => Promise<void>
  /** Called with an assignment; resolves when it is in force. */
  readonly assigned: (assigned: Assigned) => Promise<void>
  /** Called as soon as the member learns that the generation of an assignment is over. */
  readonly ended: (cause: RebalanceCause) => void
  readonly looked: () => void
  /** @param askedMs when the request that the group answered was sent */
  readonly confirmed: (askedMs: number) => void
  readonly expelled: () => Promise<void>
}

/** All members wait for the last one's heartbeat to notice a rebalance, ms. */
const HEARTBEAT_MS = 500
const RETRY = { firstMs: 100, lastMs: 2_000 }
const LOOK_MS = 5_000

/**
 * Runs a member's part in the group protocol as a loop: join, assign, heartbeats until a rebalance.
 * The library's consumer is not used, because it reports neither the generation nor when it joins
 * again. The calls are those of its ConsumerGroup (consumer/consumerGroup.js).
 */
export class Membership {
  readonly #o: MembershipOptions
  readonly #assigners: readonly Assigner[]
  readonly #over = new AbortController()
  #memberId = ''
  #isLeader = false
  #hasJoined = false
  #mustStartOver = false
  #mustJoinAgain = false
  #lookedMs = 0
  #counts = ''

  constructor(options: MembershipOptions) {
    this.#o = options
    const config = { cluster: options.brokers.cluster, groupId: options.group, logger: undefined }
    this.#assigners = [
      stickyAssigner(options.metadata, options.brokers),
      // For groups with a member from before an upgrade, which does not know the sticky one.
      PartitionAssigners.roundRobin,
    ].map((assigner) => assigner(config as never))
  }

  get memberId(): string {
    return this.#memberId
  }

  /** Joins and stays a member until {@link leave}. */
  async run(): Promise<void> {
    const backoff = new Backoff(RETRY, this.#o.brokers.random)
    while (!this.#over.signal.aborted) {
      try {
        await this.#o.leaving()
        const coordinator = await this.#find()
        const generation = await this.#join(coordinator)
        backoff.reset()
        const over = this.#stay(coordinator, generation)
        await over.then(this.#o.ended, (error: unknown) => {
          this.#o.ended(causeOf(error))
          throw error
        })
        if (this.#mustStartOver) {
          await this.#leaveGroup()
          await this.#o.expelled()
        }
      } catch (error) {
        if (this.#over.signal.aborted) return
        await this.#failed(error)
        await this.#sleep(backoff.nextMs())
      }
    }
  }

  /** Leaves, and joins again as a new member without partitions. */
  startOver(): void {
    this.#mustStartOver = true
  }

  /** Joins again with its partitions: the group then refuses requests of the current generation. */
  joinAgain(): void {
    this.#mustJoinAgain = true
  }

  /** Leaves the group, or at least stops being a member. Never throws. */
  async leave(): Promise<void> {
    this.#over.abort()
    await this.#leaveGroup()
  }

  async #leaveGroup(): Promise<void> {
    const memberId = this.#memberId
    this.#memberId = ''
    if (memberId === '') return
    try {
      const coordinator = await this.#find()
      await coordinator.leaveGroup({ groupId: this.#o.group, memberId })
    } catch {}
  }

  async #failed(thrown: unknown): Promise<void> {
    const error = fromKafka(thrown, 'GROUP_FAILED')
    const { code } = error
    if (code === 'FENCED') {
      this.#memberId = ''
      await this.#o.expelled()
      return
    }
    // The first time, an unavailable broker is an error; later it is waited for.
    const isAway = code === 'BROKER_UNAVAILABLE' && this.#hasJoined
    if (code !== 'REBALANCING' && !isAway && !isElecting(thrown)) throw error
  }

  #find(): Promise<GroupBroker> {
    return this.#o.brokers.groupBroker(this.#o.group)
  }

  async #join(coordinator: GroupBroker): Promise<Generation> {
    const { group, topics, sessionTimeoutMs } = this.#o
    this.#mustStartOver = false
    this.#mustJoinAgain = false
    const joined = (await coordinator.joinGroup({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      // How long a group waits for a living member that does not join again.
      rebalanceTimeout: 3 * sessionTimeoutMs,
      memberId: this.#memberId,
      groupProtocols: this.#assigners.map((a) => a.protocol({ topics: [...topics] })),
    })) as Joined
    const { generationId, memberId } = joined
    this.#memberId = memberId
    this.#isLeader = joined.leaderId === memberId
    const askedMs = this.#nowMs()
    const { memberAssignment } = await coordinator.syncGroup({
      groupId: group,
      generationId,
      memberId,
      groupAssignment: this.#isLeader ? await this.#assign(joined) : [],
    })
    const assigned = MemberAssignment.decode(memberAssignment)
    this.#hasJoined = true
    const generation = { generationId, memberId }
    if (this.#over.signal.aborted) return generation
    await this.#o.assigned({
      generation,
      partitions: Object.entries(assigned?.assignment ?? {}).flatMap(([topic, partitions]) =>
        topics.includes(topic) ? partitions.map((partition) => ({ topic, partition })) : [],
      ),
      ...decodeShared(assigned?.userData ?? null),
    })
    this.#o.confirmed(askedMs)
    return generation
  }

  async #assign({ groupProtocol, members }: Joined) {
    const assigner = this.#assigners.find(({ name }) => name === groupProtocol)
    if (assigner === undefined) {
      const message = `the group assigns its partitions by "${groupProtocol}", which this worker does not know`
      const hint = 'a group is for workers alone: give them one (--group)'
      throw new TidemarkError('GROUP_FAILED', message, { where: this.#o.group, hint })
    }
    await this.#o.brokers.refresh()
    // Partitions that appear during the assignment are not part of it.
    this.#counts = this.#partitionCounts()
    const assignment = await assigner.assign({ members, topics: [...this.#o.topics] })
    this.#lookedMs = this.#nowMs()
    return assignment
  }

  /** @returns why the member leaves the generation */
  async #stay(
    broker: GroupBroker,
    { generationId, memberId }: Generation,
  ): Promise<RebalanceCause> {
    let coordinator = broker
    const { group: groupId, sessionTimeoutMs } = this.#o
    const beat = { groupId, groupGenerationId: generationId, memberId }
    const everyMs = Math.min(HEARTBEAT_MS, Math.floor(sessionTimeoutMs / 3))
    for (let missed = 0; ; ) {
      await this.#sleep(Math.max(everyMs, missed === 0 ? 0 : RETRY.firstMs))
      if (this.#over.signal.aborted || this.#mustStartOver || this.#mustJoinAgain) return 'again'
      try {
        if (missed > 0) coordinator = await this.#find()
        const askedMs = this.#nowMs()
        await coordinator.heartbeat(beat)
        this.#o.confirmed(askedMs)
        missed = 0
        this.#look()
        if (this.#isLeader && this.#partitionCounts() !== this.#counts) return 'partitions'
      } catch (error) {
        const { code } = fromKafka(error, 'GROUP_FAILED')
        // An unavailable broker says nothing about the group.
        if (code !== 'BROKER_UNAVAILABLE' && !isElecting(error)) throw error
        missed++
      }
    }
  }

  /** A broker that does not answer must not delay heartbeats. */
  #look(): void {
    if (this.#nowMs() - this.#lookedMs < LOOK_MS) return
    this.#lookedMs = this.#nowMs()
    const { brokers, looked } = this.#o
    // A failed refresh is repeated later.
    void brokers.refresh().then(looked, () => {})
  }

  #partitionCounts(): string {
    const { topics, brokers } = this.#o
    return topics.map((topic) => brokers.map.partitionsOf(topic).length).join()
  }

  #nowMs(): number {
    return this.#o.brokers.clock.elapsedMs()
  }

  #sleep(ms: number): Promise<void> {
    return this.#o.brokers.clock.sleep(ms, this.#over.signal)
  }
}

function causeOf(thrown: unknown): RebalanceCause {
  return fromKafka(thrown, 'GROUP_FAILED').code === 'FENCED' ? 'expelled' : 'members'
}
