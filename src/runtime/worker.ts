import type { StateLimits } from '../engine/state-limits.ts'
import { Backoff, type Random } from '../kernel/backoff.ts'
import { Changes } from '../kernel/changes.ts'
import { type Clock, wallClock } from '../kernel/clock.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { Lifecycle, type LifecycleTable } from '../kernel/lifecycle.ts'
import { formatDuration } from '../kernel/time.ts'
import type {
  From,
  Guarantee,
  Member,
  MemberHandlers,
  Records,
  TopicInfo,
} from '../records/port.ts'
import { Availability } from './availability.ts'
import { checkCluster } from './cluster-check.ts'
import { Committer } from './committer.ts'
import type { Observer, WorkerState } from './events.ts'
import { limitsOfMachine } from './machine-limits.ts'
import type { Prepared } from './prepare.ts'
import type { SetAside } from './task-surroundings.ts'
import { Tasks } from './tasks.ts'
import { limitsOf } from './topic-limits.ts'

// One process of a consumer group.

/** What a worker goes through. */
export const WORKER: LifecycleTable<WorkerState> = {
  first: 'starting',
  next: {
    starting: {
      running: 'it has joined the group',
      unavailable: 'brokers do not answer',
      stopping: 'told to stop as it joins',
      stopped: 'told to stop before',
      failed: 'it is refused',
    },
    running: {
      unavailable: 'something is in the way of its work',
      stopping: 'told to stop',
      stopped: 'told to stop as its membership breaks',
      failed: 'trying again would not help',
    },
    unavailable: {
      running: 'nothing is in the way any more',
      stopping: 'told to stop',
      stopped: 'told to stop while it is no member',
      failed: 'trying again would not help',
    },
    stopping: {
      stopped: 'what was taken is committed, or its membership has broken',
      failed: 'what was taken could not be committed',
    },
    stopped: {},
    failed: {},
  },
}

/**
 * Together with the 10 s that the driver may take to leave and to close, of which this waits for 3, less than the 30 s that a container
 * is given between SIGTERM and SIGKILL.
 */
const FINISH_WITHIN_MS = 15_000
const LAST_COMMIT_WITHIN_MS = 2_000
const LEAVE_WITHIN_MS = 3_000
export const MAX_COMMIT_BYTES = 16_000_000
export const MAX_IN_FLIGHT_BYTES = 256_000_000
const RETRY = { firstMs: 500, lastMs: 10_000 }

export interface WorkerOptions {
  readonly prepared: Prepared
  readonly records: Records
  readonly group: string
  readonly observer: Observer
  /** The brokers' addresses, for messages. @default '' */
  readonly brokers?: string
  /** Where a group that has committed nothing begins. @default 'earliest' */
  readonly from?: From
  /**
   * How much of the log windows are made of where nothing beside the committed offset tells of them, ms by the records' timestamps;
   * 0: nothing. Outputs are marked until windows are whole. @default +Infinity, all of it
   */
  readonly rebuildMs?: number
  /** @default 'exactly-once' */
  readonly guarantee?: Guarantee
  /** From the start of one commit to the start of the next, ms. @default as the load wants it: 10 to 250, at least once 3 to 100 */
  readonly commitIntervalMs?: number
  /** The most that one commit may have, but for what one record makes, bytes. @default 16 MB */
  readonly maxCommitBytes?: number
  /** What may be on its way between the log and a commit, of all partitions together, bytes. @default 256 MB */
  readonly maxInFlightBytes?: number
  /**
   * When more than so many of a partition's last 1,000 records are dead letters, late ones not counted, it goes on at 100 records a
   * second and the worker is `unavailable`, %. @default never
   */
  readonly breakerPercent?: number
  /** A dead letter is made, for an author's own eyes: what a function threw may repeat a payload. @default nobody is told */
  readonly onSetAside?: (setAside: SetAside) => void
  /** What the windows of all tasks may hold. @default what this machine can hold */
  readonly limits?: StateLimits
  /** @default the wall clock */
  readonly clock?: Clock
  /** Spreads what is tried again. @default Math.random */
  readonly random?: Random
}

export interface Worker {
  /**
   * Resolves after {@link stop}; rejects with what ended the worker: Refused (`TOPIC_MISSING`, `TOPIC_LIMITS`,
   * `TOPIC_COMPACTED`, `TOPIC_CHANGED`, `AUTHORIZATION`), `AUTHENTICATION`, `OFFSET_OUT_OF_RANGE`, `GROUP_FAILED`, `STOP_TIMED_OUT`, or a bug.
   */
  readonly done: Promise<void>
  /** Stops fetching, finishes and commits what is in flight, leaves the group. Resolves or rejects as {@link done} does. */
  stop(): Promise<void>
  /** Resolves when all that was taken is committed; rejects as {@link done} does. */
  settled(): Promise<void>
  /** The input is at its end: every tumbling window that is open closes. Resolves when the results are committed. */
  closeWindows(): Promise<void>
}

/** Starts a worker. While no broker answers it goes on trying, in state `unavailable`. */
export function startWorker(options: WorkerOptions): Worker {
  return new GroupWorker(options)
}

class GroupWorker implements Worker {
  readonly done: Promise<void>
  readonly #o: WorkerOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #backoff: Backoff
  readonly #guarantee: Guarantee
  readonly #stopping = new AbortController()
  readonly #changes = new Changes()
  #topics: ReadonlyMap<string, TopicInfo> = new Map()
  /** Partitions that each source had when the group committed. */
  #known: ReadonlyMap<string, number> = new Map()
  readonly #life = new Lifecycle('the worker', WORKER)
  /** Why it is in that state, where there is more to say. */
  #reason: string | null = null
  #tasks: Tasks | null = null
  /** Have the notes about the topics been told? */
  #isNoted = false
  /** Of the member that it is; `null` while it is none. */
  #availability: Availability | null = null

  constructor(options: WorkerOptions) {
    this.#o = options
    this.#clock = options.clock ?? wallClock
    this.#random = options.random ?? Math.random
    this.#backoff = new Backoff(RETRY, this.#random)
    this.#guarantee = options.guarantee ?? 'exactly-once'
    this.done = this.#run()
    // Whoever waits for `done` hears of it; nobody has to.
    this.done.catch(() => {})
  }

  stop(): Promise<void> {
    this.#stopping.abort()
    this.#changes.tell()
    return this.done
  }

  async settled(): Promise<void> {
    // Not raced with `done`: what waits on a promise that lives as long as the worker adds up.
    await this.#changes.until(() => this.#life.isOver || this.#tasks?.isIdle === true)
    if (this.#life.isOver) await this.done
  }

  async closeWindows(): Promise<void> {
    await this.#tasks?.closeWindows()
    await this.settled()
  }

  async #run(): Promise<void> {
    this.#enter('starting')
    try {
      while (!this.#stopping.signal.aborted) await this.#tryMembership()
      this.#enter('stopped')
    } catch (error) {
      this.#enter('failed', messageOf(error))
      throw error
    } finally {
      this.#changes.tell()
    }
  }

  /** One membership of the group, from the cluster's check to leaving; returns when it may be tried again. */
  async #tryMembership(): Promise<void> {
    try {
      if (await this.#checkCluster()) await this.#beMember()
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'retry') throw error
      if (this.#stopping.signal.aborted) return
      const waitMs = this.#backoff.nextMs()
      this.#enter('unavailable', `${error.message}; next attempt in ${waitMs / 1_000} s`)
      await this.#clock.sleep(waitMs, this.#stopping.signal)
    }
  }

  /** @returns whether it may join: it was not told to stop meanwhile */
  async #checkCluster(): Promise<boolean> {
    const { records, prepared, group, brokers = '', observer } = this.#o
    const definitions = prepared.topologies.map((t) => t.definition)
    const around = { records, definitions, group, guarantee: this.#guarantee, brokers }
    const checked = await this.#unlessStopping(checkCluster(around))
    if (checked === null) return false
    const { topics, known, notes } = checked
    this.#topics = topics
    this.#known = known
    if (!this.#isNoted) for (const message of notes) observer({ type: 'note', message })
    this.#isNoted = true
    return true
  }

  #partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.partitions ?? 0
  }

  async #beMember(): Promise<void> {
    let committer: Committer | null = null
    let failed: { error: unknown } | null = null
    const fail = (error: unknown) => {
      failed ??= { error }
      this.#changes.tell()
    }
    const limits = new Map([...this.#topics].map(([name, topic]) => [name, limitsOf(topic)]))
    const availability = new Availability()
    const observer: Observer = (event) => {
      this.#o.observer(event)
      availability.follow(event)
      if (event.type === 'throttled' && event.of === 'writing') {
        committer?.throttled(event.durationMs)
      }
      if (failed === null) this.#showAvailability()
    }
    const tasks = new Tasks({
      topologies: this.#o.prepared.topologies,
      guarantee: this.#guarantee,
      observer,
      clock: this.#clock,
      random: this.#random,
      breakerPercent: this.#o.breakerPercent ?? null,
      limits: this.#o.limits ?? limitsOfMachine(),
      maxInFlightBytes: this.#o.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES,
      partitions: (topic) => this.#partitionsOf(topic),
      rebuildMs: this.#o.rebuildMs ?? Number.POSITIVE_INFINITY,
      topicLimits: (topic) => limits.get(topic) ?? limitsOf(undefined),
      onSetAside: this.#o.onSetAside,
      onChange: () => {
        committer?.nudge()
        this.#changes.tell()
      },
      onHeldUp: () => committer?.hurry(),
      onError: fail,
    })
    this.#tasks = tasks
    const hasFailed = () => failed !== null
    try {
      const member = await this.#join(guarded({ tasks, observer, fail }))
      if (member === null) return
      tasks.joined(member)
      committer = this.#committerOf(member, tasks, observer)
      this.#backoff.reset()
      this.#availability = availability
      this.#showAvailability()
      await this.#work({ member, tasks, committer, fail, hasFailed })
    } finally {
      // What is lost is not settled.
      this.#tasks = null
      tasks.loseAll()
    }
    if (failed !== null) throw (failed as { error: unknown }).error
  }

  /** Takes and commits until something fails, or all is committed that was taken when it was told to stop; then leaves. */
  async #work({ member, tasks, committer, fail, hasFailed }: Work): Promise<void> {
    const commits = committer.run().catch(fail)
    await this.#changes.until(() => hasFailed() || this.#stopping.signal.aborted)
    committer.hurry()
    try {
      if (!hasFailed()) await this.#finish(member, tasks, hasFailed)
    } finally {
      this.#availability = null
      committer.stop()
      await this.#atMost(LAST_COMMIT_WITHIN_MS, commits)
      await this.#atMost(LEAVE_WITHIN_MS, member.leave())
    }
  }

  #committerOf(member: Member, tasks: Tasks, observer: Observer): Committer {
    return new Committer({
      member,
      guarantee: this.#guarantee,
      intervalMs: this.#o.commitIntervalMs ?? null,
      mostBytes: this.#o.maxCommitBytes ?? MAX_COMMIT_BYTES,
      isUrgent: () => tasks.isHeldUp || this.#stopping.signal.aborted,
      partitions: () => tasks.all(),
      observer,
      clock: this.#clock,
      random: this.#random,
      onCommitted: () => {
        tasks.adjustFlow()
        this.#changes.tell()
      },
    })
  }

  /** @returns `null` when told to stop before */
  async #join(handlers: MemberHandlers): Promise<Member | null> {
    const joining = this.#o.records.join({
      group: this.#o.group,
      topics: [...new Set(this.#o.prepared.topologies.map((t) => t.definition.source.topic))],
      from: this.#o.from ?? 'earliest',
      known: this.#known,
      guarantee: this.#guarantee,
      handlers,
    })
    const member = await this.#unlessStopping(joining)
    // The group may not be ready before another member's session has passed. Nothing was taken: nothing is waited for.
    if (member === null) joining.then((late) => late.leave()).catch(() => {})
    return member
  }

  /** It runs as long as nothing is in the way of its work. */
  #showAvailability(): void {
    if (this.#availability === null || this.#stopping.signal.aborted) return
    const { reason: obstacle, hindrance } = this.#availability
    const state = obstacle === null ? 'running' : 'unavailable'
    const reason = obstacle ?? hindrance
    if (state !== this.#life.state || reason !== this.#reason) this.#enter(state, reason)
  }

  /** Brings to an end what has been taken. */
  async #finish(member: Member, tasks: Tasks, hasFailed: () => boolean): Promise<void> {
    this.#enter('stopping')
    member.stopFetching()
    tasks.stopTaking()
    const isDone = () => tasks.isIdle || hasFailed()
    await this.#atMost(FINISH_WITHIN_MS, this.#changes.until(isDone))
    if (isDone()) return
    throw new TidemarkError(
      'STOP_TIMED_OUT',
      `what was in flight could not be committed in ${formatDuration(FINISH_WITHIN_MS)}`,
      { hint: 'nothing is lost: it is read and scored again by whoever takes over' },
    )
  }

  /** What some work gives; `null` once the worker is told to stop. */
  #unlessStopping<T>(work: Promise<T>): Promise<T | null> {
    const { signal } = this.#stopping
    return new Promise((resolve, reject) => {
      const give = () => resolve(null)
      if (signal.aborted) give()
      signal.addEventListener('abort', give, { once: true })
      void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
    })
  }

  /** Waits for some work, but not longer. */
  async #atMost(ms: number, work: Promise<void>): Promise<void> {
    const giveUp = new AbortController()
    await Promise.race([work, this.#clock.sleep(ms, giveUp.signal)])
    giveUp.abort()
  }

  #enter(state: WorkerState, reason: string | null = null): void {
    // What holds up a worker may change, and it goes on being held up.
    if (state !== this.#life.state) this.#life.enter(state)
    this.#reason = reason
    this.#o.observer(reason === null ? { type: 'state', state } : { type: 'state', state, reason })
  }
}

/** What a member works with. */
interface Work {
  readonly member: Member
  readonly tasks: Tasks
  readonly committer: Committer
  readonly fail: (error: unknown) => void
  readonly hasFailed: () => boolean
}

/** A handler must not throw into the driver. */
function guarded({
  tasks,
  observer,
  fail,
}: {
  readonly tasks: Tasks
  readonly observer: Observer
  readonly fail: (error: unknown) => void
}): MemberHandlers {
  const guard =
    <A extends unknown[]>(of: (...args: A) => void) =>
    (...args: A): void => {
      try {
        of(...args)
      } catch (error) {
        fail(error)
      }
    }
  return {
    lookBackMs: (start) => tasks.lookBackMs(start),
    assigned: (assignment) => {
      try {
        return tasks.assigned(assignment)
      } catch (error) {
        fail(error)
        return assignment.nextOffset
      }
    },
    lost: guard((partitions, why) => tasks.lost(partitions, why)),
    chunk: guard((chunk) => tasks.take(chunk)),
    caughtUp: guard((partition, endOffset) => tasks.caughtUp(partition, endOffset)),
    partitions: guard((topic, count) => tasks.counted(topic, count)),
    unreadable: guard((partitions) => observer({ type: 'unreadable', partitions })),
    throttled: guard((durationMs, of) => observer({ type: 'throttled', of, durationMs })),
    failed: fail,
  }
}
