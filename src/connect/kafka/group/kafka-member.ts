import type { Clock } from '../../../kernel/clock.ts'
import { ConditionVariable } from '../../../kernel/condition-variable.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { Lifecycle } from '../../../kernel/lifecycle.ts'
import {
  addressOf,
  chosenStart,
  groupStart,
  lookBackMsOf,
  MEMBER,
  type MemberState,
  NO_OWNERS,
} from '../../group-member.ts'
import type { Assignment, Commit, JoinOptions, Loss, Member, TopicPartition } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'
import { fromKafka } from '../client/errors.ts'
import { within } from '../client/waiting.ts'
import { chunkOf, type Fetched } from '../consume/fetch-buffer.ts'
import { Fetcher, type FetchPosition, initialLogMark, NO_LEADER } from '../consume/fetcher.ts'
import { lookBack } from '../consume/partition-reads.ts'
import { Unreadables } from '../consume/unreadable-partitions.ts'
import { KafkaWriter, type Producer } from '../produce/producer.ts'
import { Transactions } from '../produce/transactions.ts'
import { type KafkaAdmin, partitionOffsetsOf, type Range } from './admin.ts'
import { AtLeastOnce, CommitGate, type Committing, ExactlyOnce } from './committing.ts'
import { GroupOffsets } from './group-offsets.ts'
import { type Assigned, Membership } from './membership.ts'
import { type Owned, Positions } from './positions.ts'
import type { DefaultName, ZombieFencing } from './zombie-fencing.ts'

/** Connections of a member, which closes them. */
export interface Connections {
  readonly admin: KafkaAdmin
  /** For requests that wait on purpose: group membership and fetches. */
  readonly waiting: Brokers
  /** Its connections are for requests that must be quick: records, transactions, offsets. */
  readonly producer: Producer
  readonly transactionalId: string | null
  readonly zombieFencing: ZombieFencing
  readonly defaultName: DefaultName
  readonly sessionTimeoutMs: number
  readonly nextEpoch: () => number
  readonly left: (member: KafkaMember) => void
}

const LEAVE_MS = 5_000
/** How long to wait for open transactions, ms: no heartbeat is sent meanwhile. */
const LOOK_MS = 1_000
const RETRY_MS = 100
const UNLED_RETRY_MS = 500
const STILL_OPEN = 'a transaction of another owner has not been ended yet'

/** Joins a group, fetches its partitions from their leaders, and commits under its guarantee. */
export class KafkaMember implements Member {
  readonly #o: JoinOptions
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #positions: Positions
  readonly #gate: CommitGate
  readonly #membership: Membership
  readonly #fetcher: Fetcher
  readonly #unreadables: Unreadables
  readonly #offsets: GroupOffsets
  readonly #committing: Committing
  #committed: Promise<void> = Promise.resolve()
  readonly #reportedCounts = new Map<string, number>()
  /** Transactional ids in the newest generation; `null`: not sent by the leader. */
  #liveIds: ReadonlySet<string> | null = null
  readonly #life: Lifecycle<MemberState>
  readonly #entered = new ConditionVariable()
  #failure: TidemarkError | null = null
  #leaving: Promise<void> | null = null

  constructor(options: JoinOptions, connections: Connections) {
    this.#o = options
    this.#life = new Lifecycle(`the member of group "${options.group}"`, MEMBER)
    this.#connections = connections
    const { waiting, transactionalId, nextEpoch, sessionTimeoutMs } = connections
    const { clock } = waiting
    const address = addressOf(options)
    this.#clock = clock
    this.#positions = new Positions(nextEpoch, transactionalId)
    this.#gate = new CommitGate(options.group, sessionTimeoutMs, clock)
    this.#membership = new Membership({
      brokers: waiting,
      group: options.group,
      topics: options.topics,
      sessionTimeoutMs,
      metadata: () => ({ ...this.#positions.metadata, address }),
      leaving: () => this.#closeGate(),
      assigned: (assigned) => this.#assigned(assigned),
      ended: (cause) => {
        if (this.#isOver) return
        this.#safely(() => this.#o.handlers.owners?.(NO_OWNERS))
        this.#safely(() => this.#o.handlers.rebalancing?.(cause))
      },
      looked: () => this.#safely(() => this.#tellPartitions()),
      confirmed: (askedMs) => this.#gate.confirm(askedMs),
      expelled: () => this.#expelled(),
    })
    const { handlers } = options
    this.#unreadables = new Unreadables((partitions) => handlers.unreadable(partitions), clock)
    this.#fetcher = new Fetcher({
      unreadables: this.#unreadables,
      brokers: waiting,
      partitions: () => this.#started(),
      isCurrent: (partition) => this.#positions.holds(partition as Owned),
      fetched: (p, fetched) => this.#safely(() => this.#fetched(p as Owned, fetched)),
      answered: (durationMs) => options.handlers.fetched?.(durationMs),
      leftToReplay: (partition) => this.#leftToReplay(partition as Owned),
      outputFrom: (partition) => (partition as Owned).committed.nextOffset,
      isAssignedAgain: (partition) => this.#assignAgain(partition as Owned),
      committed: () => this.#committed,
      failed: (error) => this.#fail(error),
    })
    const { producer } = connections
    const quick = producer.brokers
    this.#offsets = new GroupOffsets(quick, options.group)
    const context = {
      group: options.group,
      clock,
      offsets: this.#offsets,
      gate: this.#gate,
      positions: this.#positions,
      isOver: () => this.#isOver,
      checkName: () => this.#checkName(),
      joinAgain: () => this.#membership.joinAgain(),
    }
    this.#committing =
      transactionalId === null
        ? new AtLeastOnce(context, new KafkaWriter(producer))
        : new ExactlyOnce(context, new Transactions(quick, producer, transactionalId))
  }

  /**
   * @throws TidemarkError `BROKER_UNAVAILABLE` · `AUTHENTICATION` · `BROKER_TOO_OLD` ·
   * `TOPIC_MISSING` · `OFFSET_OUT_OF_RANGE` · `GROUP_FAILED` · `WORKER_NAME_TAKEN`
   */
  async join(): Promise<void> {
    try {
      const { waiting, producer, zombieFencing, defaultName } = this.#connections
      const quick = producer.brokers
      const { group } = this.#o
      await Promise.all([waiting.connect(), quick.connect()])
      producer.lookAhead(this.#o.writes ?? [])
      await waiting.learn(this.#o.topics)
      await zombieFencing.remove(group, waiting)
      const holders = await defaultName.holders(group, quick)
      if (this.#isOver) throw this.#hasLeft()
      this.#o.handlers.rebalancing?.('joining')
      void this.#membership.run().catch((error: unknown) => {
        this.#fail(fromKafka(error, 'GROUP_FAILED'))
      })
      void defaultName.replace(holders, { group, brokers: quick, isJoining: () => this.#isJoining })
      await this.#entered.until(() => !this.#isJoining)
      if (this.#isOver) throw this.#failure ?? this.#hasLeft()
    } catch (error) {
      await this.leave()
      throw fromKafka(error, 'BROKER_UNAVAILABLE')
    }
  }

  async commit(commit: Commit): Promise<void> {
    if (this.#isOver) throw this.#hasLeft()
    const committing = this.#committing.commit(commit)
    this.#committed = committing.catch(() => {})
    try {
      await committing
    } catch (error) {
      // Another worker commits for this member's partitions: its own state of them is useless.
      if (error instanceof TidemarkError && error.code === 'FENCED') this.#membership.startOver()
      throw error
    }
  }

  pause(partition: TopicPartition): void {
    const owned = this.#positions.get(partition)
    if (owned !== undefined) owned.paused = true
  }

  resume(partition: TopicPartition): void {
    const owned = this.#positions.get(partition)
    if (owned === undefined) return
    owned.paused = false
    this.#fetcher.wake()
  }

  stopFetching(): void {
    if (this.#life.state === 'joined') this.#life.enter('finishing')
  }

  isCountedOn(): boolean {
    return this.#gate.isCountedOn()
  }

  leave(): Promise<void> {
    if (!this.#isOver) {
      this.#life.enter('left')
      this.#unreadables.stop()
      this.#entered.notifyAll()
      this.#o.handlers.owners?.(NO_OWNERS)
    }
    this.#leaving ??= this.#close()
    return this.#leaving
  }

  get #isOver(): boolean {
    return this.#life.isOver
  }

  get #isJoining(): boolean {
    return this.#life.state === 'joining'
  }

  async #close(): Promise<void> {
    const { left, waiting, producer } = this.#connections
    this.#fetcher.stop()
    await this.#closeGate()
    // If the request fails, the group reassigns the partitions when the session times out.
    const limit = { ms: LEAVE_MS, doing: 'leaving the group', clock: this.#clock }
    await within(limit, this.#membership.leave()).catch(() => {})
    waiting.close()
    producer.brokers.close()
    left(this)
  }

  #closeGate(): Promise<void> {
    return this.#gate.drain((generation) => this.#committing.finish(generation))
  }

  #checkName(): Promise<void> {
    const { zombieFencing, waiting } = this.#connections
    return zombieFencing.checkName(this.#o.group, waiting, () => this.#membership.memberId)
  }

  async #expelled(): Promise<void> {
    const { defaultName, waiting } = this.#connections
    await this.#checkName()
    if (!(await defaultName.isTaken(this.#o.group, waiting))) return
    this.#safely(() => this.#lose([...this.#positions.all()], 'expelled'))
    // Another name is another client id, which needs other connections: the worker has to join
    // again.
    throw defaultName.giveUp()
  }

  #leftToReplay(owned: Owned): number {
    const isRestoring = this.#o.handlers.isRestoring?.(owned) === true
    return Math.max(owned.committed.nextOffset - owned.nextOffset, isRestoring ? 1 : 0)
  }

  #started(): FetchPosition[] {
    // While joining, nothing can be paused yet.
    if (this.#life.state !== 'joined') return []
    return [...this.#positions.all()].filter(({ started }) => started)
  }

  async #assigned(assigned: Assigned): Promise<void> {
    const doubtful = this.#positions.doubtful(assigned.generation)
    const looking = this.#offsets.unchanged(doubtful, LOOK_MS)
    const limit = { ms: 2 * LOOK_MS, doing: 'checking committed offsets', clock: this.#clock }
    // The partitions that are as this member left them; on any failure none.
    const untouched = await within(limit, looking).catch(() => [])
    if (!this.#isOver) this.#safely(() => this.#assign(assigned, untouched))
  }

  #assign(assigned: Assigned, untouched: readonly Owned[]): void {
    const { generation, partitions, liveIds, owners } = assigned
    this.#tellPartitions()
    const { lost, added } = this.#positions.assign(partitions, generation, untouched)
    this.#lose(lost.revoked, 'revoked')
    this.#lose(lost.expelled, 'expelled')
    this.#gate.open(generation)
    this.#liveIds = liveIds
    this.#o.handlers.owners?.(owners)
    this.#o.handlers.rebalancing?.(null)
    void this.#handOver(added)
  }

  #lose(lost: readonly Owned[], why: Loss): void {
    if (lost.length === 0) return
    const gone = lost.map(({ topic, partition }) => ({ topic, partition }))
    this.#o.handlers.lost(gone, why)
    for (const owned of lost) this.#unreadables.over(owned)
    this.#fetcher.wake()
  }

  /** Hands over added partitions. A partition without a leader does not delay the others. */
  async #handOver(added: readonly Owned[]): Promise<void> {
    let left = added
    const isWanted = (owned: Owned) => !this.#isOver && this.#positions.holds(owned)
    while (left.some(isWanted)) {
      try {
        left = await this.#start(left, isWanted)
        if (left.length === 0) break
        this.#cannotBegin(left, NO_LEADER)
        this.#joinedBut(left)
        await this.#clock.sleep(UNLED_RETRY_MS)
      } catch (thrown) {
        const error = fromKafka(thrown, 'BROKER_UNAVAILABLE')
        const isTemporary = error.action === 'retry' && !this.#isJoining
        // A rebalance meanwhile assigns these partitions again.
        if (isTemporary) this.#cannotBegin(left, error.message)
        else if (error.code !== 'REBALANCING') this.#fail(error)
        await this.#clock.sleep(RETRY_MS)
        if (isTemporary) await this.#connections.waiting.refresh().catch(() => {})
      }
    }
    this.#joinedBut([])
  }

  #cannotBegin(partitions: readonly TopicPartition[], reason: string): void {
    if (this.#isOver) return
    for (const partition of partitions) {
      if (this.#positions.get(partition)?.started === false)
        this.#unreadables.fails(partition, reason)
    }
  }

  #joinedBut(unled: readonly Owned[]): void {
    // Partitions of an earlier rebalance may not have been handed over yet.
    const isDone = (owned: Owned) => owned.started || unled.includes(owned)
    if (!this.#isJoining || ![...this.#positions.all()].every(isDone)) return
    this.#life.enter('joined')
    this.#entered.notifyAll()
    this.#fetcher.wake()
  }

  /** Hands over partitions and starts fetching them. Returns the ones without a leader. */
  async #start(added: readonly Owned[], isWanted: (owned: Owned) => boolean) {
    const { admin, waiting } = this.#connections
    const { group } = this.#o
    await this.#committing.prepare()
    await this.#offsets.fenceDeadOwners(added, {
      liveIds: () => this.#liveIds,
      isOwned: (partition) => added.includes(this.#positions.get(partition) as Owned),
    })
    // The topic may have got the partition while this member was in the group.
    if (added.some((owned) => waiting.map.leaderOf(owned) === undefined)) await waiting.refresh()
    const stable = await this.#offsets.stable(added, isWanted, (open) =>
      this.#cannotBegin(open, STILL_OPEN),
    )
    if (stable === null) return []
    const ranges = new Map<string, Range>()
    for (const topic of new Set(added.map((owned) => owned.topic))) {
      for (const range of await admin.ranges(topic)) ranges.set(partitionName(range), range)
    }
    if (this.#isOver) return []
    const still = added.filter((owned) => this.#positions.holds(owned))
    const unled: Owned[] = []
    const starts: { owned: Owned; assignment: Assignment; endOffset: number }[] = []
    for (const owned of still) {
      const range = ranges.get(partitionName(owned))
      if (range === undefined) {
        unled.push(owned)
        continue
      }
      const start = groupStart(partitionOffsetsOf(range, stable, group), this.#o)
      const lookBackMs = lookBackMsOf(this.#o, start)
      const lookBackOffset = await lookBack(waiting, start, lookBackMs)
      const assignment = { ...start, lookBackOffset, epoch: owned.epoch }
      starts.push({ owned, assignment, endOffset: range.endOffset })
    }
    if (this.#isOver) return []
    this.#tellPartitions()
    for (const { owned, assignment } of starts) {
      if (!this.#positions.holds(owned)) continue
      const { nextOffset, metadata } = assignment
      owned.committed = { nextOffset, metadata: metadata ?? '' }
      owned.stored = stable.get(partitionName(owned)) ?? null
      owned.nextOffset = chosenStart(assignment, this.#o.handlers.assigned(assignment, this))
      Object.assign(owned, initialLogMark(owned.topic, owned.partition, waiting))
      owned.started = true
      this.#unreadables.over(owned)
    }
    for (const { owned, endOffset } of starts) {
      if (owned.started && owned.nextOffset === endOffset) this.#caughtUp(owned, endOffset)
    }
    this.#fetcher.wake()
    return unled
  }

  #tellPartitions(): void {
    for (const topic of this.#o.topics) {
      const partitions = this.#connections.waiting.map.partitionsOf(topic).length
      if (partitions === 0 || partitions === this.#reportedCounts.get(topic)) continue
      this.#reportedCounts.set(topic, partitions)
      this.#o.handlers.partitions?.(topic, partitions)
    }
  }

  /** Assigns a partition once more when the lost records were only to be replayed. */
  #assignAgain(owned: Owned): boolean {
    if (owned.nextOffset >= owned.committed.nextOffset) return false
    const { topic, partition } = owned
    const renewed = this.#positions.renew(owned)
    this.#safely(() => this.#o.handlers.lost([{ topic, partition }], 'cut'))
    void this.#handOver([renewed])
    return true
  }

  #fetched(owned: Owned, fetched: Fetched): void {
    if (this.#life.state !== 'joined') return
    const { records, nextOffset, packed, endOffset } = fetched
    if (records.length > 0 || packed !== null) this.#o.handlers.chunk(chunkOf(owned, fetched))
    if (nextOffset >= endOffset) this.#caughtUp(owned, endOffset)
  }

  #caughtUp(owned: Owned, endOffset: number): void {
    const { topic, partition } = owned
    owned.reportedEnd = endOffset
    if (!this.#isOver) this.#o.handlers.caughtUp({ topic, partition }, endOffset)
  }

  /** A handler that throws ends the member, because it would miss the records that it was given. */
  #safely(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(fromKafka(error, 'INVARIANT'))
    }
  }

  /** Ends the member and reports why: to the caller of `join`, later to its handlers. */
  #fail(error: TidemarkError): void {
    if (this.#isOver) return
    const { memberId } = this.#membership
    if (memberId !== '') this.#connections.zombieFencing.add(this.#o.group, memberId)
    if (this.#isJoining) this.#failure = error
    else this.#o.handlers.failed(error)
    void this.leave()
  }

  #hasLeft(): TidemarkError {
    return new TidemarkError('FENCED', `the member has left group "${this.#o.group}"`)
  }
}
