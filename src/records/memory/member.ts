import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName, position } from '../../kernel/ids.ts'
import { Lifecycle } from '../../kernel/lifecycle.ts'
import { Slices } from '../../kernel/slices.ts'
import { formatDuration } from '../../kernel/time.ts'
import { chosenStart, MEMBER, type MemberState } from '../group-member.ts'
import { ListedRecords } from '../log-records.ts'
import type {
  Assignment,
  Commit,
  JoinOptions,
  Loss,
  Member,
  NewRecord,
  NextOffset,
  TopicPartition,
} from '../port.ts'
import type { MemoryGroup, MemoryGroupMember } from './group.ts'
import { type MemoryLog, sizeOf } from './log.ts'

interface Owned extends TopicPartition {
  readonly epoch: number
  /** Records before it are replayed. */
  readonly committedOffset: number
  nextOffset: number
  paused: boolean
  reportedEnd: number
}

/** A simulated network link: its bandwidth, and the clock by which it is measured. */
export interface Link {
  readonly bytesPerSecond: number
  readonly clock: Clock
}

/** How long writing the records of a transaction may take, as on Kafka, ms. */
const WRITING_MS = 8_000

interface MemberContext {
  readonly memberId: string
  readonly log: MemoryLog
  readonly group: MemoryGroup
  /** Records per chunk at most. */
  readonly chunkRecords: number
  readonly link: Link | undefined
  readonly appended: () => void
}

/** A member of a group, which hands over at most one chunk per partition and turn. */
export class MemoryMember implements Member, MemoryGroupMember {
  readonly id: string
  readonly options: JoinOptions
  readonly #context: MemberContext
  readonly #owned = new Map<string, Owned>()
  /** Counts records only, no time, so that a seed gives the same turns on any machine. */
  readonly #slices = new Slices(() => 0)
  #last: Owned | null = null
  #awake = false
  readonly #life: Lifecycle<MemberState>
  #failure: Error | null = null

  constructor(options: JoinOptions, context: MemberContext) {
    this.id = context.memberId
    this.options = options
    this.#life = new Lifecycle(`the member of group "${options.group}"`, MEMBER)
    this.#context = context
  }

  /** @throws TidemarkError `OFFSET_OUT_OF_RANGE` */
  async join(): Promise<void> {
    await nextTurn()
    this.#context.group.add(this)
    if (this.#failure !== null) throw this.#failure
    this.#life.enter('joined')
  }

  async commit(commit: Commit): Promise<void> {
    await nextTurn()
    const { log, group, appended } = this.#context
    const records = [...commit.outputs, ...commit.deadLetters]
    const isWhole = (this.options.guarantee ?? 'exactly-once') === 'exactly-once'
    await this.#carry(records, isWhole && commit.isSmallest !== true ? WRITING_MS : null)
    if (this.#life.isOver)
      throw new TidemarkError('FENCED', `the member has left group "${group.name}"`)
    const current = commit.nextOffsets.filter((next) => this.#isCurrent(next))
    if (isWhole && current.length < commit.nextOffsets.length) {
      throw new TidemarkError(
        'REBALANCING',
        'a partition of the commit was assigned to another member meanwhile',
      )
    }
    try {
      if (isWhole) log.appendAll(records)
      else for (const record of records) log.append(record)
    } finally {
      appended()
    }
    for (const next of current) group.commit(next)
  }

  /** @throws TidemarkError `COMMIT_TIMED_OUT`: the bytes need longer than `withinMs` */
  async #carry(records: readonly NewRecord[], withinMs: number | null): Promise<void> {
    const { link } = this.#context
    if (link === undefined) return
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0)
    const needsMs = (1_000 * bytes) / link.bytesPerSecond
    const isTooMuch = withinMs !== null && needsMs > withinMs
    await link.clock.sleep(isTooMuch ? withinMs : needsMs)
    if (!isTooMuch) return
    throw new TidemarkError(
      'COMMIT_TIMED_OUT',
      `${bytes} bytes were not acknowledged in ${formatDuration(withinMs)}`,
    )
  }

  pause(partition: TopicPartition): void {
    const owned = this.#owned.get(partitionName(partition))
    if (owned !== undefined) owned.paused = true
  }

  resume(partition: TopicPartition): void {
    const owned = this.#owned.get(partitionName(partition))
    if (owned === undefined) return
    owned.paused = false
    this.wake()
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
    return this.options.topics
  }

  get owned(): readonly TopicPartition[] {
    return [...this.#owned.values()]
  }

  keepOnly(partitions: readonly TopicPartition[], why: Loss = 'revoked'): void {
    const kept = new Set(partitions.map(partitionName))
    const lost = [...this.#owned.values()].filter((o) => !kept.has(partitionName(o)))
    if (lost.length === 0) return
    for (const owned of lost) this.#owned.delete(partitionName(owned))
    this.options.handlers.lost(
      lost.map(({ topic, partition }) => ({ topic, partition })),
      why,
    )
  }

  assign(assignment: Assignment): void {
    const { topic, partition, epoch, nextOffset: committedOffset } = assignment
    const fresh = { nextOffset: 0, paused: false, reportedEnd: -1 }
    const owned = { topic, partition, epoch, committedOffset, ...fresh }
    this.#owned.set(partitionName(owned), owned)
    owned.nextOffset = chosenStart(assignment, this.options.handlers.assigned(assignment, this))
    this.wake()
  }

  fail(error: Error): void {
    const { state } = this.#life
    this.#failure = error
    this.#end()
    if (state !== 'joining') this.options.handlers.failed(error)
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

  #isCurrent(next: NextOffset): boolean {
    return this.#owned.get(partitionName(next))?.epoch === next.epoch
  }

  #end(): void {
    this.crash()
    this.#context.group.remove(this)
  }

  #turn(): void {
    let more = false
    try {
      for (const owned of this.#inTurn()) {
        if (this.#slices.isOver) {
          more = true
          break
        }
        if (this.#owned.get(partitionName(owned)) !== owned) continue
        this.#last = owned
        more = this.#deliver(owned) || more
      }
    } catch (error) {
      this.fail(error as Error)
    }
    if (more) this.wake()
  }

  /** Called when records to be replayed are gone from the log. */
  #assignAgain({ topic, partition }: Owned): boolean {
    const { group } = this.#context
    this.#owned.delete(partitionName({ topic, partition }))
    this.options.handlers.lost([{ topic, partition }], 'cut')
    this.assign(group.assignmentOf({ topic, partition }, this.options))
    return true
  }

  /** Begins after the last partition that was served, because a turn may be too short for all. */
  #inTurn(): Owned[] {
    const all = [...this.#owned.values()]
    const from = all.findIndex((owned) => owned === this.#last) + 1
    return [...all.slice(from), ...all.slice(0, from)]
  }

  /** Hands over the partition's next chunk. Returns whether there is more. */
  #deliver(owned: Owned): boolean {
    if (this.#life.state !== 'joined' || owned.paused) return false
    const { log, chunkRecords } = this.#context
    const { topic, partition, epoch } = owned
    const endOffset = log.endOffset(owned)
    if (owned.nextOffset < log.lowOffset(owned)) {
      if (owned.nextOffset < owned.committedOffset) return this.#assignAgain(owned)
      throw new TidemarkError(
        'OFFSET_OUT_OF_RANGE',
        'records were deleted from the log before they were read',
        { where: position(topic, partition, owned.nextOffset) },
      )
    }
    const at = { topic, partition, offset: owned.nextOffset }
    const records = log.read(at, chunkRecords)
    const packed = records.length === 0 ? log.packedAt(at) : null
    const nextOffset = packed === null ? at.offset + records.length : packed.lastOffset + 1
    owned.nextOffset = nextOffset
    const chunk = {
      ...{ topic, partition, epoch, nextOffset, endOffset },
      records: new ListedRecords(records),
    }
    this.#slices.use(records.length)
    if (packed !== null) this.options.handlers.chunk({ ...chunk, packed })
    else if (records.length > 0) this.options.handlers.chunk(chunk)
    if (nextOffset < endOffset) return true
    if (owned.reportedEnd < endOffset && this.#owned.get(partitionName(owned)) === owned) {
      owned.reportedEnd = endOffset
      this.options.handlers.caughtUp({ topic, partition }, endOffset)
    }
    return false
  }
}
