import { setImmediate as nextTurn } from 'node:timers/promises'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { Lifecycle } from '../../kernel/lifecycle.ts'
import { Slices } from '../../kernel/slices.ts'
import {
  addressOf,
  chosenStart,
  groupStart,
  lookBackMsOf,
  lookBackSince,
  MEMBER,
  type MemberState,
  NO_OWNERS,
  plainLookBack,
} from '../group-member.ts'
import type { GroupMember } from '../groups.ts'
import type {
  Commit,
  Committed,
  JoinOptions,
  Loss,
  Member,
  Owners,
  RebalanceCause,
  Start,
  TopicPartition,
} from '../port.ts'
import { assignSticky } from '../sticky-assignment.ts'
import type { MemoryLog } from './log.ts'

export interface GroupContext {
  readonly log: MemoryLog
  readonly chunkRecords: number
  readonly appended: () => void
  /** Whether a commit leaves of itself what a crash in the middle of it leaves. */
  withholdsCommits: boolean
}

export class MemoryGroup {
  readonly context: GroupContext
  readonly #log: MemoryLog
  readonly #members: MemoryMember[] = []
  readonly #committed = new Map<string, Committed>()
  readonly #commits = new ConditionVariable()
  #epochs = 0

  constructor(context: GroupContext) {
    this.context = context
    this.#log = context.log
  }

  settled(topic: string): Promise<void> {
    const partitions = this.#log.partitionsOf(topic)
    const isCommitted = (partition: TopicPartition) =>
      (this.committed(partition)?.nextOffset ?? 0) >= this.#log.endOffset(partition)
    return this.#commits.until(() => partitions.every(isCommitted))
  }

  add(member: MemoryMember): void {
    this.#members.push(member)
    member.tellPartitions(member.topics)
    this.#rebalance('members', member)
  }

  remove(member: MemoryMember): void {
    const at = this.#members.indexOf(member)
    if (at < 0) return
    this.#members.splice(at, 1)
    this.#rebalance('members')
  }

  commit(next: Committed & TopicPartition): void {
    const { nextOffset, metadata } = next
    this.#committed.set(partitionName(next), { nextOffset, metadata })
    this.#commits.notifyAll()
  }

  get members(): GroupMember[] {
    return this.#members.map(({ id, owned }) => {
      return { id, clientId: id, host: 'memory', partitions: [...owned] }
    })
  }

  committed(partition: TopicPartition): Committed | null {
    return this.#committed.get(partitionName(partition)) ?? null
  }

  offsets({ topic, partition }: TopicPartition) {
    const place = { topic, partition }
    const [lowOffset, endOffset] = [this.#log.lowOffset(place), this.#log.endOffset(place)]
    return { ...place, committed: this.committed(place), lowOffset, endOffset }
  }

  grown(topic: string): void {
    for (const member of [...this.#members]) member.tellPartitions([topic])
    this.#rebalance('partitions')
  }

  forget(topic: string): void {
    for (const p of this.#log.partitionsOf(topic)) this.#committed.delete(partitionName(p))
  }

  crash(): void {
    for (const member of this.#members.splice(0)) member.crash()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()))
  }

  wake(): void {
    for (const member of this.#members) member.wake()
  }

  /** Reports all losses before any assignment, so that no partition has two owners. */
  #rebalance(cause: RebalanceCause, joining?: MemoryMember): void {
    for (const member of [...this.#members]) {
      member.tellOwners(NO_OWNERS)
      member.tellRebalance(member === joining ? 'joining' : cause)
    }
    const topics = new Set(this.#members.flatMap((m) => m.topics))
    const counts = new Map([...topics].map((t) => [t, this.#log.describe(t)?.partitions ?? 0]))
    const claimants = this.#members.map(({ id, topics: subscription, owned }) => {
      return { id, topics: subscription, owned, generation: 0 }
    })
    const shares = assignSticky(claimants, counts)
    const assignment = this.#members.map((member) => [member, shares.get(member.id) ?? []] as const)
    for (const [member, partitions] of assignment) member.keepOnly(partitions)
    const owners = ownersOf(assignment)
    for (const [member] of assignment) {
      member.tellOwners(owners)
      member.tellRebalance(null)
    }
    for (const [member, partitions] of assignment) {
      const before = new Set(member.owned.map(partitionName))
      const added = partitions.filter((p) => !before.has(partitionName(p)))
      try {
        for (const partition of added) member.assign(partition)
      } catch (error) {
        // A new rebalance without the member has begun; the rest of this assignment is outdated.
        member.fail(error as Error)
        return
      }
    }
  }

  assignmentOf(partition: TopicPartition, options: JoinOptions) {
    const start = groupStart(this.offsets(partition), options)
    const lookBackMs = lookBackMsOf(options, start)
    const lookBackOffset = plainLookBack(start, lookBackMs) ?? this.#lookBack(start, lookBackMs)
    this.#epochs++
    return { ...start, lookBackOffset, epoch: this.#epochs }
  }

  /** Finds the same offset as the driver for Kafka. */
  #lookBack(start: Start, lookBackMs: number): number {
    const { topic, partition, lowOffset: offset, nextOffset } = start
    const at = { topic, partition, offset: Math.max(offset, nextOffset - 1) }
    const reference = this.#log.read(at, 2).at(-1)
    const sinceMs = lookBackSince(reference?.timestampMs ?? null, lookBackMs)
    if (sinceMs === null) return offset
    const first = this.#log
      .read({ ...at, offset })
      .find(({ timestampMs }) => timestampMs >= sinceMs)
    return Math.min(first?.offset ?? nextOffset, nextOffset)
  }
}

type Share = readonly [MemoryMember, readonly TopicPartition[]]

/** Nothing if no member has an address, as on Kafka. */
function ownersOf(shares: readonly Share[]): Owners {
  if (shares.every(([{ address }]) => address === null)) return NO_OWNERS
  return new Map(
    shares.flatMap(([{ address }, list]) => list.map((p) => [partitionName(p), address] as const)),
  )
}

interface Owned extends TopicPartition {
  readonly epoch: number
  readonly committedOffset: number
  nextOffset: number
  paused: boolean
  reportedEnd: number
}

/** A member of a group, which hands over at most one chunk per partition and turn. */
export class MemoryMember implements Member {
  readonly id: string
  readonly address: string | null
  readonly #options: JoinOptions
  readonly #group: MemoryGroup
  readonly #owned = new Map<string, Owned>()
  /** Counts records only, no time, so that a seed gives the same turns on any machine. */
  readonly #slices = new Slices(() => 0)
  #last: Owned | null = null
  #awake = false
  readonly #life: Lifecycle<MemberState>
  #failure: Error | null = null

  constructor(options: JoinOptions, id: string, group: MemoryGroup) {
    this.id = id
    this.address = addressOf(options)
    this.#options = options
    this.#life = new Lifecycle(`the member of group "${options.group}"`, MEMBER)
    this.#group = group
  }

  async join(): Promise<void> {
    await nextTurn()
    this.#group.add(this)
    if (this.#failure !== null) throw this.#failure
    this.#life.enter('joined')
  }

  async commit(commit: Commit): Promise<void> {
    const { log, appended, withholdsCommits } = this.#group.context
    const isWhole = (this.#options.guarantee ?? 'exactly-once') === 'exactly-once'
    if (withholdsCommits && isWhole) return
    await nextTurn()
    const records = [...commit.outputs, ...commit.deadLetters]
    if (this.#life.isOver)
      throw new TidemarkError('FENCED', `the member has left group "${this.#options.group}"`)
    const current = commit.nextOffsets.filter((next) => this.#get(next)?.epoch === next.epoch)
    if (isWhole && current.length < commit.nextOffsets.length) {
      const message = 'a partition of the commit was assigned to another member meanwhile'
      throw new TidemarkError('REBALANCING', message)
    }
    try {
      if (isWhole) log.appendAll(records)
      else for (const record of records) log.append(record)
    } finally {
      appended()
    }
    if (!withholdsCommits) for (const next of current) this.#group.commit(next)
  }

  pause(partition: TopicPartition): void {
    const owned = this.#get(partition)
    if (owned !== undefined) owned.paused = true
  }

  resume(partition: TopicPartition): void {
    const owned = this.#get(partition)
    if (owned === undefined) return
    owned.paused = false
    this.wake()
  }

  isCountedOn(): boolean {
    return !this.#life.isOver
  }

  stopFetching(): void {
    if (this.#life.state === 'joined') this.#life.enter('finishing')
  }

  async leave(): Promise<void> {
    if (this.#life.isOver) return
    this.#end()
    await nextTurn()
  }

  get topics(): readonly string[] {
    return this.#options.topics
  }

  get owned(): readonly TopicPartition[] {
    return [...this.#owned.values()]
  }

  tellPartitions(names: readonly string[]): void {
    for (const topic of names.filter((name) => this.topics.includes(name))) {
      const count = this.#group.context.log.describe(topic)?.partitions
      if (count !== undefined) this.#options.handlers.partitions?.(topic, count)
    }
  }

  tellRebalance(cause: RebalanceCause | null): void {
    this.#options.handlers.rebalancing?.(cause)
  }

  tellOwners(owners: Owners): void {
    this.#options.handlers.owners?.(owners)
  }

  keepOnly(partitions: readonly TopicPartition[]): void {
    const kept = new Set(partitions.map(partitionName))
    const lost = this.owned.filter((owned) => !kept.has(partitionName(owned)))
    if (lost.length > 0) this.#lose(lost, 'revoked')
  }

  #lose(lost: readonly TopicPartition[], why: Loss): void {
    for (const owned of lost) this.#owned.delete(partitionName(owned))
    const gone = lost.map(({ topic, partition }) => ({ topic, partition }))
    this.#options.handlers.lost(gone, why)
  }

  assign(place: TopicPartition): void {
    const assignment = this.#group.assignmentOf(place, this.#options)
    const { topic, partition, epoch, nextOffset: committedOffset } = assignment
    const fresh = { nextOffset: 0, paused: false, reportedEnd: -1 }
    const owned = { topic, partition, epoch, committedOffset, ...fresh }
    this.#owned.set(partitionName(owned), owned)
    owned.nextOffset = chosenStart(assignment, this.#options.handlers.assigned(assignment, this))
    this.wake()
  }

  fail(error: Error): void {
    const { state } = this.#life
    this.#failure = error
    this.#end()
    if (state !== 'joining') this.#options.handlers.failed(error)
  }

  crash(): void {
    if (!this.#life.isOver) this.#life.enter('left')
    this.#owned.clear()
  }

  wake(): void {
    if (this.#awake) return
    this.#awake = true
    // Timers and sockets run between two chunks.
    setImmediate(() => {
      this.#awake = false
      this.#turn()
    })
  }

  #get(partition: TopicPartition): Owned | undefined {
    return this.#owned.get(partitionName(partition))
  }

  #end(): void {
    this.crash()
    this.tellOwners(NO_OWNERS)
    this.#group.remove(this)
  }

  #turn(): void {
    let more = false
    try {
      for (const owned of this.#inTurn()) {
        if (this.#slices.isOver) {
          more = true
          break
        }
        if (this.#get(owned) !== owned) continue
        this.#last = owned
        more = this.#deliver(owned) || more
      }
    } catch (error) {
      this.fail(error as Error)
    }
    if (more) this.wake()
  }

  /** Begins after the last partition that was served, because a turn may be too short for all. */
  #inTurn(): Owned[] {
    const all = [...this.#owned.values()]
    const from = all.findIndex((owned) => owned === this.#last) + 1
    return [...all.slice(from), ...all.slice(0, from)]
  }

  #deliver(owned: Owned): boolean {
    if (this.#life.state !== 'joined' || owned.paused) return false
    const { log, chunkRecords } = this.#group.context
    const { topic, partition, nextOffset: offset } = owned
    // Records that were to be replayed are gone: the partition is assigned once more.
    if (offset < log.lowOffset(owned) && offset < owned.committedOffset) {
      this.#lose([owned], 'cut')
      this.assign({ topic, partition })
      return true
    }
    const chunk = log.chunkAt({ ...owned, offset }, chunkRecords)
    const { records, nextOffset, endOffset } = chunk
    owned.nextOffset = nextOffset
    this.#slices.use(records.length)
    if (records.length > 0) this.#options.handlers.chunk(chunk)
    if (nextOffset < endOffset) return true
    if (owned.reportedEnd < endOffset && this.#get(owned) === owned) {
      owned.reportedEnd = endOffset
      this.#options.handlers.caughtUp({ topic, partition }, endOffset)
    }
    return false
  }
}
