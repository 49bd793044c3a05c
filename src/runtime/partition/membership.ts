import { MEMBER, type MemberState } from '../../connect/group-member.ts'
import type {
  Assignment,
  JoinOptions,
  Member,
  MemberHandlers,
  Owners,
  RebalanceCause,
  Records,
  TopicInfo,
  TopicPartition,
  Unreadable,
} from '../../connect/port.ts'
import { atMost, unlessAborted } from '../../kernel/clock.ts'
import type { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { Lifecycle } from '../../kernel/lifecycle.ts'
import { formatDuration, LATEST_EVENT_TIME_MS } from '../../kernel/time.ts'
import { topicCompressions } from '../../topology/graph.ts'
import { checkpointTopic, committedTopics } from '../commit/checkpoint-topic.ts'
import { Committer } from '../commit/committer.ts'
import { SkippedRecords } from '../commit/skipped-records.ts'
import type { RuntimeEvent } from '../events.ts'
import { limitsOf } from '../output/topic-limits.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { BoundedRange } from '../start/bounded-range.ts'
import { type TroubleReport, Troubles } from '../troubles.ts'
import type { Task } from './task.ts'
import { Tasks, type TasksOptions } from './tasks.ts'

// A worker as a member of its group, from joining to leaving: its assigned tasks, and their
// commits.

/**
 * How long what is in flight may take to finish on stopping, ms. With the 10 s of the driver to
 * leave and to close, of which 3 s are waited for here, it is less than the 30 s between SIGTERM
 * and SIGKILL of a container.
 */
const FINISH_WITHIN_MS = 15_000
const LAST_COMMIT_WITHIN_MS = 2_000
const LEAVE_WITHIN_MS = 3_000
/** A rebalance that takes longer is trouble, ms. */
const LONG_REBALANCE_MS = 5_000

type Calls = 'onChange' | 'onHeldUp' | 'onFailed'
type MadeHere = 'partitions' | 'topicLimits' | 'skippedRecordsOf' | Calls

interface GroupMembershipOptions
  extends Omit<TasksOptions, MadeHere>,
    Pick<JoinOptions, 'group' | 'advertise'> {
  readonly records: Records
  readonly topics: ReadonlyMap<string, TopicInfo>
  /** How many partitions each source had when the group committed. */
  readonly known: ReadonlyMap<string, number>
  /** `null`: topics are read without an end. */
  readonly range: BoundedRange | null
  /** Aborts when the worker is told to stop. */
  readonly stopping: AbortSignal
  /** Notified whenever something has changed that others wait for. */
  readonly changed: ConditionVariable
  onJoined(): void
  /**
   * Called when the member has joined, and when troubles begin or end: with why work waits; `null`:
   * none does.
   */
  onTroubles(reason: string | null): void
  onFinishing(): void
}

/** One membership in the group. */
export class GroupMembership {
  readonly #o: GroupMembershipOptions
  readonly #life: Lifecycle<MemberState>
  readonly #troubles: Troubles
  #cancelRebalance = () => {}
  readonly #tasks: Tasks
  readonly #committer: Committer
  #member: Member | null = null
  #owners: Owners = new Map()
  /** The error that ended it; `null`: none has. */
  #failure: { readonly error: unknown } | null = null

  constructor(options: GroupMembershipOptions) {
    this.#o = options
    this.#troubles = new Troubles(options.clock)
    this.#life = new Lifecycle(`the member of group "${options.group}"`, MEMBER)
    const { topics } = options
    const observed = { ...options, observer: (event: RuntimeEvent) => this.#observe(event) }
    this.#committer = new Committer({
      ...observed,
      isUrgent: () => this.#tasks.isHeldUp || options.stopping.aborted,
      partitions: () => this.#tasks.all(),
      onCommitted: () => {
        this.#tasks.adjustFlow()
        options.changed.notifyAll()
      },
    })
    const limits = new Map([...topics].map(([name, topic]) => [name, limitsOf(topic)]))
    this.#tasks = new Tasks({
      ...observed,
      partitions: (topic) => topics.get(topic)?.partitions ?? 0,
      topicLimits: (topic) => limits.get(topic) ?? limitsOf(undefined),
      skippedRecordsOf: (topology, assignment) => this.#skippedRecordsOf(topology, assignment),
      onChange: () => {
        this.#committer.nudge()
        options.changed.notifyAll()
      },
      onHeldUp: () => this.#committer.hurry(),
      onFailed: (error) => this.fail(error),
    })
  }

  /**
   * Whether everything that was read is committed. False after leaving, because what was in flight is
   * dropped.
   */
  get isIdle(): boolean {
    return !this.#life.isOver && this.#tasks.all().every(({ isIdle }) => isIdle)
  }

  /** Whether it is a member whose partitions are committed up to the ends of their ranges. */
  get isAtEnds(): boolean {
    return this.#life.state === 'joined' && this.#tasks.all().every(({ isAtEnd }) => isAtEnd)
  }

  /** See {@link Member.isCountedOn}. */
  get isCountedOn(): boolean {
    return this.#member?.isCountedOn() ?? false
  }

  /** Finds a task, see {@link Tasks.taskOf}. */
  taskOf(topology: string, partition: TopicPartition): Task | null {
    return this.#tasks.taskOf(topology, partition)
  }

  /** 0: the topic is not known. */
  partitionsOf(topic: string): number {
    return this.#o.topics.get(topic)?.partitions ?? 0
  }

  /** The address that the owner of a partition advertises; `null`: nobody does. */
  ownerOf(partition: TopicPartition): string | null {
    return this.#owners.get(partitionName(partition)) ?? null
  }

  /** Closes every open window; resolves when they have closed, not yet committed. */
  async closeWindows(): Promise<void> {
    const advancing = this.#tasks.all().map((each) => each.advance(() => LATEST_EVENT_TIME_MS))
    await Promise.all(advancing)
  }

  /**
   * Is a member until the worker is told to stop and everything is finished.
   * @throws what ended it before
   */
  async run(): Promise<void> {
    try {
      const member = await this.#join()
      if (member !== null) await this.#work(member)
    } finally {
      this.#life.enter('left')
      this.#tasks.loseAll()
      this.#rebalancing(null)
      this.#report(...this.#troubles.all.map((trouble) => ({ ...trouble, reason: null })))
    }
    if (this.#failure !== null) throw this.#failure.error
  }

  /** `null`: told to stop before it has joined. */
  async #join(): Promise<Member | null> {
    const { records, group, known, range, stopping, advertise } = this.#o
    const { from, guarantee, compression } = this.#o.config
    const definitions = this.#o.topologies.map((t) => t.definition)
    const compressions = topicCompressions(definitions)
    const joining = records.source.join({
      group,
      topics: [...new Set(definitions.map(({ source }) => source.topic))],
      from,
      ...(range && { starts: range.starts }),
      known,
      writes: [...new Set(definitions.flatMap((d) => committedTopics(d, group)))],
      compressionOf: (topic) => compressions.get(topic) ?? compression,
      guarantee,
      ...(advertise !== undefined && { advertise }),
      handlers: this.#handlers(),
    })
    const member = await unlessAborted(stopping, joining)
    // Joining may take until another member's session has expired, and nothing has been read.
    if (member === null) joining.then((late) => late.leave()).catch(() => {})
    return member
  }

  /**
   * Works until something fails, or until everything is finished after the worker is told to stop.
   */
  async #work(member: Member): Promise<void> {
    this.#member = member
    this.#life.enter('joined')
    this.#o.onJoined()
    this.#o.changed.notifyAll()
    this.#show()
    const commits = this.#committer.run(member).catch((error) => this.fail(error))
    await this.#o.changed.until(() => this.#failure !== null || this.#o.stopping.aborted)
    this.#committer.hurry()
    try {
      if (this.#failure === null) await this.#finish(member)
    } finally {
      this.#committer.stop()
      const { clock } = this.#o
      await atMost(LAST_COMMIT_WITHIN_MS, commits, clock)
      await atMost(LEAVE_WITHIN_MS, member.leave(), clock)
    }
  }

  async #finish(member: Member): Promise<void> {
    this.#life.enter('finishing')
    this.#o.onFinishing()
    member.stopFetching()
    for (const partition of this.#tasks.all()) partition.stopTaking()
    const isDone = () =>
      this.#failure !== null || this.#tasks.all().every(({ canLeave }) => canLeave)
    await atMost(FINISH_WITHIN_MS, this.#o.changed.until(isDone), this.#o.clock)
    if (isDone()) return
    const message = `what was in flight could not be committed in ${formatDuration(FINISH_WITHIN_MS)}`
    const hint = 'nothing is lost: the worker that takes over reads and scores it again'
    throw new TidemarkError('STOP_TIMED_OUT', message, { hint })
  }

  #skippedRecordsOf({ definition }: PreparedTopology, assignment: Assignment) {
    const { group, records, topics } = this.#o
    const topic = checkpointTopic(definition, group)
    if (topic === null) return null
    const { partition } = assignment
    const topicId = topics.get(assignment.topic)?.id ?? null
    const read = () => records.topics.readAll({ topic, partition })
    return new SkippedRecords({ topic, assignment, topicId, read })
  }

  /** Something that it works with is broken, and ends it. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#o.changed.notifyAll()
  }

  #observe(event: RuntimeEvent): void {
    if (event.type === 'trouble') return this.#report(event)
    this.#o.observer(event)
    if (event.type === 'throttled' && event.of === 'writing') {
      this.#committer.throttled(event.durationMs)
    }
    if (event.type !== 'lost') return
    this.#troubles.lost(event.partition)
    this.#show()
  }

  #report(...reports: readonly TroubleReport[]): void {
    for (const report of reports) {
      this.#o.observer({ type: 'trouble', ...report })
      this.#troubles.report(report)
    }
    this.#show()
    // A worker that is about to leave does not wait for what may last.
    this.#o.changed.notifyAll()
  }

  /** Reports a rebalance, and as trouble one that lasts. */
  #rebalancing(cause: RebalanceCause | null): void {
    this.#cancelRebalance()
    if (this.#troubles.ofKind('rebalance').length > 0) {
      this.#report({ kind: 'rebalance', reason: null })
    }
    if (cause === null) return
    this.#observe({ type: 'rebalance', cause })
    this.#cancelRebalance = this.#o.clock.after(LONG_REBALANCE_MS, () => {
      const reason = `the group has been rebalancing for ${formatDuration(LONG_REBALANCE_MS)}`
      this.#report({ kind: 'rebalance', reason })
    })
  }

  /** Reports each partition that cannot be read any more, or for another reason, or can again. */
  #unreadable(partitions: readonly Unreadable[]): void {
    const over = this.#troubles
      .ofKind('unreadable')
      .map((trouble) => ({ ...trouble, reason: null }))
    const begun = partitions.map(({ topic, partition, reason }): TroubleReport => {
      return { kind: 'unreadable', partition: { topic, partition }, reason }
    })
    const byPartition = new Map(
      [...over, ...begun].map((report) => [partitionName(report.partition as Unreadable), report]),
    )
    this.#report(...byPartition.values())
  }

  #show(): void {
    const isWorking = this.#life.state === 'joined' && this.#failure === null
    if (isWorking && !this.#o.stopping.aborted) this.#o.onTroubles(this.#troubles.reason('waits'))
  }

  /** The driver's handlers. They must not throw. */
  #handlers(): MemberHandlers {
    const tasks = this.#tasks
    const guard =
      <A extends unknown[], R>(handler: (...args: A) => R) =>
      (...args: A): R | undefined => {
        try {
          return handler(...args)
        } catch (error) {
          this.fail(error)
          return undefined
        }
      }
    return {
      lookBackMs: (start) => tasks.lookBackMs(start),
      isRestoring: (partition) => tasks.isRestoring(partition),
      assigned: (assignment, pausable) =>
        guard(() => tasks.assigned(assignment, pausable))() ?? assignment.nextOffset,
      lost: guard((partitions, why) => tasks.lost(partitions, why)),
      owners: (owners) => {
        this.#owners = owners
      },
      chunk: guard((chunk) => tasks.process(chunk)),
      caughtUp: guard((partition, endOffset) => tasks.caughtUp(partition, endOffset)),
      partitions: guard((topic, count) => tasks.counted(topic, count)),
      rebalancing: guard((cause) => this.#rebalancing(cause)),
      unreadable: guard((partitions) => this.#unreadable(partitions)),
      fetched: guard((durationMs) => this.#observe({ type: 'fetched', durationMs })),
      throttled: guard((durationMs, work) =>
        this.#observe({ type: 'throttled', of: work, durationMs }),
      ),
      failed: (error) => this.fail(error),
    }
  }
}
