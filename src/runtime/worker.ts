import type { Records } from '../connect/port.ts'
import { type Clock, unlessAborted, wallClock } from '../kernel/clock.ts'
import { ConditionVariable } from '../kernel/condition-variable.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { Lifecycle, type LifecycleTable } from '../kernel/lifecycle.ts'
import { Backoff, type Random, systemRandom } from '../kernel/random.ts'
import { Slices } from '../kernel/slices.ts'
import type { WorkerConfig } from './config.ts'
import type { WorkerContext } from './context.ts'
import type { Observer, WorkerState } from './events.ts'
import { Shadows } from './output/shadow/shadows.ts'
import type { TaskContext } from './output/task-context.ts'
import { GroupMembership } from './partition/membership.ts'
import type { Prepared, PreparedTopology } from './prepared.ts'
import { BoundedRange, type LogRange } from './start/bounded-range.ts'
import { type ClusterCheck, checkCluster } from './start/cluster-check.ts'
import { registerSchemas } from './start/formats.ts'
import { settleVariants } from './start/variants.ts'
import { Stores } from './tables/stores.ts'
import { Tables } from './tables/tables.ts'

// One worker process in a consumer group.

/** States of a worker. */
export const WORKER: LifecycleTable<WorkerState> = {
  first: 'starting',
  next: {
    starting: {
      running: 'it has joined the group',
      unavailable: 'brokers do not answer',
      stopping: 'told to stop as it joins',
      stopped: 'told to stop before it joins, or its range is committed already',
      failed: 'it is refused',
    },
    running: {
      unavailable: 'something is in the way of its work',
      stopping: 'told to stop, or its range is committed',
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

const RETRY = { firstMs: 500, lastMs: 10_000 }
/** How often a worker at the ends of its partitions asks whether the others are at theirs, ms. */
const ASK_EVERY_MS = 1_000

export interface WorkerOptions {
  readonly config: WorkerConfig
  readonly prepared: Prepared
  readonly records: Records
  readonly group: string
  readonly observer: Observer
  /**
   * The part of the topic that the group reads: the worker stops when the group has committed all
   * of it. The topologies must have one source.
   * @default all of it, without an end
   */
  readonly range?: LogRange
  /**
   * Called when a dead letter is made. Only for the author of the topology: what a function threw
   * may contain a payload.
   * @default not called
   */
  readonly onDeadLetter?: TaskContext['onDeadLetter']
  readonly checkOutput?: TaskContext['checkOutput']
  /** @default the wall clock */
  readonly clock?: Clock
  /** Where other workers of the group reach it for requests. @default nowhere */
  readonly advertise?: string
  /** Randomises the backoff of retries. @default Math.random */
  readonly random?: Random
}

/** Options that all parts of a worker share. */
interface Shared extends WorkerContext, Omit<WorkerOptions, keyof WorkerContext> {
  readonly topologies: readonly PreparedTopology[]
  readonly sinks: Prepared['sinks']
}

/** The part of a membership that requests need. */
export type RequestMember = Pick<
  GroupMembership,
  'taskOf' | 'partitionsOf' | 'ownerOf' | 'isCountedOn'
>

/** Starts a worker. While no broker answers it keeps trying, in state `unavailable`. */
export function startWorker(options: WorkerOptions): Worker {
  return new Worker(options)
}

/** A running worker. */
export class Worker {
  /**
   * Resolves after {@link stop}, or at the end of a range; rejects with what ended the worker: Refused (`TOPIC_MISSING`,
   * `TOPIC_LIMITS`, `TOPIC_COMPACTED`, `TOPIC_CHANGED`, `AUTHORIZATION`, `SCHEMA_NOT_REGISTERED`,
   * `SCHEMA_REJECTED`, or the faults of a variant that the group has chosen), `AUTHENTICATION`,
   * `OFFSET_OUT_OF_RANGE`, `GROUP_FAILED`, `WORKER_NAME_TAKEN`, `STOP_TIMED_OUT`, or a bug.
   */
  readonly done: Promise<void>
  readonly #o: Shared
  readonly #backoff: Backoff
  readonly #tables: Tables
  readonly #shadows: Shadows
  readonly #stores: Stores
  readonly #range: BoundedRange | null
  readonly #stopping = new AbortController()
  readonly #changed = new ConditionVariable()
  readonly #life = new Lifecycle('the worker', WORKER)
  /** The reason for the state, where there is one. */
  #reason: string | null = null
  /** `null` while it is not a member. */
  #membership: GroupMembership | null = null
  /** Why a table can no longer be kept up to date; `null`: every one can. */
  #tableFailure: { readonly error: unknown } | null = null
  /** Whether the notes about the topics were reported. */
  #isNoted = false

  constructor(options: WorkerOptions) {
    const { config, clock = wallClock, random = systemRandom } = options
    const { topologies, sinks, hash } = options.prepared
    const slices = new Slices(() => clock.elapsedMs())
    const shared = { ...options, topologies, sinks, hash, clock, random, slices }
    this.#o = shared
    this.#backoff = new Backoff(RETRY, random)
    this.#tables = new Tables({
      ...shared,
      failed: (error) => {
        this.#tableFailure ??= { error }
        this.#membership?.fail(error)
      },
    })
    this.#stores = new Stores({ ...shared, maxBytes: config.maxStoreBytes })
    this.#shadows = new Shadows({ ...shared, compression: config.compression })
    const topic = topologies[0]?.definition.source.topic ?? ''
    this.#range = options.range === undefined ? null : new BoundedRange(options.range, topic)
    this.done = this.#run()
    if (this.#range !== null) void this.#stopAtEnds(this.#range, topic)
    // Callers may await `done`, but need not: an unhandled rejection must not end the process.
    this.done.catch(() => {})
  }

  /**
   * Stops fetching, finishes and commits what is in flight, and leaves the group. Resolves or
   * rejects as {@link done} does.
   */
  stop(): Promise<void> {
    this.#stopping.abort()
    this.#changed.notifyAll()
    return this.done
  }

  /**
   * Resolves when everything that was read is committed, and shadows have scored what they have;
   * rejects as {@link done} does.
   */
  async settled(): Promise<void> {
    // Not raced with `done`: handlers on a promise that lives as long as the worker would
    // accumulate.
    await this.#changed.until(() => this.#life.isOver || this.#membership?.isIdle === true)
    if (this.#life.isOver) await this.done
    else await this.#shadows.settled()
  }

  /** Ends the input: every open tumbling window closes. Resolves when the results are committed. */
  async closeWindows(): Promise<void> {
    await this.#membership?.closeWindows()
    await this.settled()
  }

  /** The membership that requests ask; `null` while it is not a member of its group. */
  get membership(): RequestMember | null {
    return this.#membership
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
      this.#tables.stop()
      await this.#shadows.stop()
      this.#changed.notifyAll()
    }
  }

  /**
   * One membership in the group, from the check of the cluster to leaving. Returns when it may be
   * tried again.
   */
  async #tryMembership(): Promise<void> {
    try {
      const checked = await this.#checkCluster()
      if (checked !== null && (await this.#loadTables(checked))) await this.#beMember(checked)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'retry') throw error
      if (this.#stopping.signal.aborted) return
      const waitMs = this.#backoff.nextMs()
      const reason = `${error.message}; next attempt in ${waitMs / 1_000} s`
      this.#o.observer({ type: 'trouble', kind: 'unavailable', reason })
      this.#enter('unavailable', reason)
      await this.#o.clock.sleep(waitMs, this.#stopping.signal)
    }
  }

  /** @returns `null` when told to stop meanwhile */
  async #checkCluster(): Promise<ClusterCheck | null> {
    const { records, prepared, group, observer, config, clock } = this.#o
    const { guarantee } = config
    const brokers = config.brokers.join(',')
    const definitions = prepared.topologies.map((t) => t.definition)
    const checking = checkCluster({ records, definitions, group, guarantee, brokers }).then(
      async (found) => {
        if (found.toMake.length > 0) await records.topics.create(found.toMake)
        await registerSchemas(prepared.topologies)
        await this.#range?.find(records, found, clock.nowMs())
        return found
      },
    )
    const checked = await unlessAborted(this.#stopping.signal, checking)
    if (checked === null) return null
    if (this.#range?.isDone(checked.partitionOffsets)) {
      observer({ type: 'note', message: `group "${group}" has committed all of the range` })
      this.#stopping.abort()
      return null
    }
    for (const system of prepared.systems ?? []) {
      const { label } = system
      await system.connect((reason) =>
        observer({ type: 'trouble', kind: 'system', system: label, reason }),
      )
    }
    const settled = await settleVariants(prepared, checked.partitionOffsets)
    const notes = this.#isNoted ? settled : [...checked.notes, ...settled]
    for (const message of notes) observer({ type: 'note', message })
    this.#isNoted = true
    return checked
  }

  /** @returns false when told to stop meanwhile */
  async #loadTables({ partitionOffsets }: ClusterCheck): Promise<boolean> {
    const loading = this.#tables.load(partitionOffsets).then(() => true)
    const isLoaded = (await unlessAborted(this.#stopping.signal, loading)) ?? false
    if (this.#tableFailure !== null) throw this.#tableFailure.error
    return isLoaded
  }

  async #beMember({ topics, known }: ClusterCheck): Promise<void> {
    const membership = new GroupMembership({
      ...this.#o,
      observer: (event) => {
        this.#o.observer(event)
        if (event.type === 'committed') void this.#tables.committed()
      },
      topics,
      known,
      range: this.#range,
      shadows: this.#shadows,
      stores: this.#stores,
      stopping: this.#stopping.signal,
      changed: this.#changed,
      onJoined: () => {
        this.#backoff.reset()
        this.#o.observer({ type: 'trouble', kind: 'unavailable', reason: null })
      },
      onTroubles: (reason) => this.#show(reason),
      onFinishing: () => this.#enter('stopping'),
    })
    this.#membership = membership
    try {
      await membership.run()
    } finally {
      this.#membership = null
    }
  }

  /**
   * A worker at the ends of its partitions stays, because it may have to take over others, until
   * the group has committed all.
   */
  async #stopAtEnds(range: BoundedRange, topic: string): Promise<void> {
    const { records, group } = this.#o
    const isOver = () => this.#life.isOver || this.#stopping.signal.aborted
    for (;;) {
      await this.#changed.until(() => isOver() || this.#membership?.isAtEnds === true)
      if (isOver()) return
      try {
        if (range.isDone(await records.source.offsets(group, topic))) this.#stopping.abort()
      } catch (error) {
        const isTemporary = error instanceof TidemarkError && error.action === 'retry'
        if (!isTemporary) this.#membership?.fail(error)
      }
      this.#changed.notifyAll()
      await this.#o.clock.sleep(ASK_EVERY_MS, this.#stopping.signal)
    }
  }

  /** The worker is `running` as long as no work waits. */
  #show(reason: string | null): void {
    const state = reason === null ? 'running' : 'unavailable'
    if (state !== this.#life.state || reason !== this.#reason) this.#enter(state, reason)
  }

  #enter(state: WorkerState, reason: string | null = null): void {
    // The reason may change while the state stays the same.
    if (state !== this.#life.state) this.#life.enter(state)
    this.#reason = reason
    this.#o.observer(reason === null ? { type: 'state', state } : { type: 'state', state, reason })
  }
}
