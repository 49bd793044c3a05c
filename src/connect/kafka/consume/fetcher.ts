import { ConditionVariable } from '../../../kernel/condition-variable.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName, position } from '../../../kernel/ids.ts'
import { Backoff } from '../../../kernel/random.ts'
import type { Brokers } from '../client/brokers.ts'
import { fromKafka, notAllowed, unavailable } from '../client/errors.ts'
import { rotated } from '../client/waiting.ts'
import { RecordSet } from '../codec/record-set.ts'
import { type FetchedPartition, type FetchOptions, fetch } from '../wire/fetch.ts'
import { CODE, hasMoved, isAmong, nameOfCode } from '../wire/protocol.ts'
import { type Arrived, FetchBuffer, type Fetched } from './fetch-buffer.ts'
import { checkLogs, type LogMark, refuseIfRecreated } from './log-check.ts'
import { PartitionBackoff, RETRY, type Unreadables } from './unreadable-partitions.ts'

export interface FetchPosition extends LogMark {
  /** The offset to fetch next; earlier records may still be in the {@link FetchBuffer}. */
  nextOffset: number
  readEpoch: number
  reportedEnd: number
  /** A paused partition is not requested; records that have arrived are kept for it. */
  paused: boolean
}

export interface FetcherOptions {
  readonly brokers: Brokers
  readonly partitions: () => Iterable<FetchPosition>
  /** Whether the partition is still read; otherwise records that arrive are dropped. */
  readonly isCurrent: (partition: FetchPosition) => boolean
  /** Called with some thousand records at most, or with none when only the position has moved. */
  readonly fetched: (partition: FetchPosition, fetched: Fetched) => void
  /** Called when a broker has answered with records. @default not reported */
  readonly answered?: (durationMs: number) => void
  readonly unreadables: Unreadables
  /** Records to be replayed before output; at least 1 until they are processed. @default none */
  readonly leftToReplay?: (partition: FetchPosition) => number
  /** The offset at which output begins: records before it are replayed. @default 0 */
  readonly outputFrom?: (partition: FetchPosition) => number
  /** Called when the log has the position no longer: whether the partition is assigned again. */
  readonly isAssignedAgain?: (partition: FetchPosition) => boolean
  readonly committed?: () => Promise<void>
  readonly failed: (error: TidemarkError) => void
}

/**
 * The epoch of the record before the position is left unknown, because this client may know an
 * older leader, and would take the log for truncated.
 */
export function initialLogMark(topic: string, partition: number, brokers: Brokers) {
  const checkedEpoch = brokers.map.leaderEpochOf({ topic, partition })
  return { topicId: brokers.map.idOf(topic), readEpoch: -1, checkedEpoch }
}

export const NO_LEADER = 'it has no leader'

const LIMITS: FetchOptions = {
  // Longest wait of a partition that is resumed or assigned, for the fetch in flight.
  maxWaitMs: 100,
  maxBytes: 4_194_304,
  maxPartitionBytes: 1_048_576,
}
/** Longest wait at an idle leader, ms (Kafka's default, `fetch.max.wait.ms`). */
const IDLE_WAIT_MS = 500
/** A smaller answer delays the next fetch: under light traffic every event would be a fetch. */
const SMALL_BYTES = 32_768
const LINGER_MS = 3
/** The delayed fetch also waits for the commit in flight, up to this long, ms. */
const LONGEST_LINGER_MS = 10
/** A batch that unpacks to more is unpacked in another thread, or piece by piece. */
const UNPACKED_AT_ONCE_BYTES = 4 * 2 ** 20
const SEEK_MS = 500

/**
 * Keeps one fetch in flight per leader, for all its partitions that are not paused, backed off or
 * still buffered. After a large answer the next fetch is sent before the records are handed over,
 * so that the broker reads while this process works; after a small one it lingers, to get more at a
 * time.
 */
export class Fetcher {
  readonly #o: FetcherOptions
  readonly #changed = new ConditionVariable()
  readonly #buffer: FetchBuffer<FetchPosition>
  /** Leaders that records are fetched from. */
  readonly #leaders = new Set<string>()
  #turn = 0
  readonly #backoff: PartitionBackoff<FetchPosition>
  readonly #over = new AbortController()

  constructor(options: FetcherOptions) {
    this.#o = options
    const { brokers, fetched } = options
    this.#backoff = new PartitionBackoff<FetchPosition>(brokers)
    const isCurrent = (partition: FetchPosition) => !this.#isOver && options.isCurrent(partition)
    this.#buffer = new FetchBuffer<FetchPosition>({
      clock: brokers.clock,
      isCurrent,
      outputFrom: (partition) => options.outputFrom?.(partition) ?? 0,
      fetched,
    })
    void this.#seekLeaders().catch((error: unknown) => this.#fail(error))
  }

  wake(): void {
    if (this.#isOver) return
    const drained = () => this.#changed.notifyAll()
    void this.#buffer.drainAll().then(drained, (error: unknown) => this.#fail(error))
    for (const partition of this.#o.partitions()) {
      const leader = this.#o.brokers.map.leaderOf(partition)
      if (leader === undefined || this.#leaders.has(leader)) continue
      this.#leaders.add(leader)
      void this.#run(leader).catch((error: unknown) => this.#fail(error))
    }
    this.#changed.notifyAll()
  }

  stop(): void {
    this.#over.abort()
    this.#changed.notifyAll()
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  #fail(error: unknown): void {
    if (this.#isOver) return
    this.stop()
    this.#o.failed(fromKafka(error, 'INVARIANT'))
  }

  /** Looks up leaders for partitions without one, because no broker is asked for their records. */
  async #seekLeaders(): Promise<void> {
    const { brokers, unreadables } = this.#o
    for (;;) {
      await brokers.clock.sleep(SEEK_MS, this.#over.signal)
      if (this.#isOver) return
      const lost = [...this.#o.partitions()].filter(
        (partition) => !partition.paused && brokers.map.leaderOf(partition) === undefined,
      )
      if (lost.length === 0) continue
      for (const partition of lost) {
        refuseIfRecreated(partition, brokers)
        unreadables.fails(partition, NO_LEADER)
      }
      await brokers.refresh().catch(() => {})
      this.wake()
    }
  }

  async #run(leader: string): Promise<void> {
    const backoff = new Backoff(RETRY, this.#o.brokers.random)
    let next: Promise<Answer> | null = null
    let isIdle = false
    while (!this.#isOver) {
      next ??= this.#ask(leader, isIdle)
      const answer: Answer = await next
      next = null
      if (this.#isOver) return
      if (answer.asked.length === 0) {
        await this.#changed.until(() => this.#isOver || this.#wantedOf(leader).length > 0)
        continue
      }
      const { arrivals, bytes, problem } = this.#received(answer)
      isIdle = problem === null && bytes === 0
      if (bytes > 0) this.#o.answered?.(answer.tookMs)
      if (problem === null) {
        backoff.reset()
        if (bytes >= SMALL_BYTES) next = this.#ask(leader, isIdle)
      }
      for (const [partition, arrived] of arrivals) this.#buffer.add(partition, arrived)
      await Promise.all(arrivals.map(([partition]) => this.#buffer.drain(partition)))
      if (problem !== null) {
        if (problem.code !== 'BROKER_UNAVAILABLE') throw problem
        await this.#refreshIn(backoff.nextMs())
      } else if (next === null) await this.#linger()
    }
    await next?.catch(() => {})
  }

  async #linger(): Promise<void> {
    const { clock } = this.#o.brokers
    await clock.sleep(LINGER_MS)
    await Promise.race([this.#o.committed?.(), clock.sleep(LONGEST_LINGER_MS - LINGER_MS)])
  }

  #partitionsOf(leader: string): FetchPosition[] {
    const { partitions, brokers } = this.#o
    return [...partitions()].filter((partition) => brokers.map.leaderOf(partition) === leader)
  }

  #wantedOf(leader: string): FetchPosition[] {
    const all = this.#partitionsOf(leader).filter((p) => !p.paused && !this.#backoff.has(p))
    return this.#withOneReplay(all).filter((partition) => !this.#buffer.has(partition))
  }

  /**
   * Leaves out all replayed partitions but the one with the least left: on average all outputs come
   * sooner (shortest remaining processing time first, Schrage 1968). Paused ones are not among them:
   * nothing would wake the others when one that is paused at the end of a range is restored.
   */
  #withOneReplay(all: readonly FetchPosition[]): readonly FetchPosition[] {
    const { leftToReplay } = this.#o
    if (leftToReplay === undefined) return all
    const left = new Map(all.map((partition) => [partition, leftToReplay(partition)]))
    const leftOf = (partition: FetchPosition) => left.get(partition) as number
    const replayed = all.filter((partition) => leftOf(partition) > 0)
    const [shortest] = replayed.toSorted((a, b) => leftOf(a) - leftOf(b))
    return all.filter((partition) => partition === shortest || leftOf(partition) <= 0)
  }

  async #ask(leader: string, isIdle: boolean): Promise<Answer> {
    const wanted = this.#wantedOf(leader)
    // A broker fills partitions in this order, up to the limit of the whole response.
    const inTurn = rotated(wanted, wanted.length === 0 ? 0 : this.#turn++)
    const sinceMs = this.#o.brokers.clock.elapsedMs()
    const answer = { leader, sinceMs, tookMs: 0, partitions: [], problem: null }
    if (inTurn.length === 0) return { ...answer, hindered: NOTHING, asked: [] }
    const { brokers } = this.#o
    let asked = inTurn.map(asItIs)
    let hindered = NOTHING
    try {
      hindered = await checkLogs(brokers, leader, inTurn)
      const unmoved = asked.filter(({ partition, offset }) => partition.nextOffset === offset)
      asked = unmoved.map(({ partition }) => asItIs(partition))
      const isSound = (partition: FetchPosition) =>
        !hindered.has(partitionName(partition)) &&
        partition.checkedEpoch === brokers.map.leaderEpochOf(partition)
      const sound = asked.map(({ partition }) => partition).filter(isSound)
      const isById =
        sound.every(({ topicId }) => topicId !== null) && (await brokers.fetchesById(leader))
      const positions = sound.map(({ topic, partition, topicId, nextOffset, checkedEpoch }) => {
        return { topic, partition, topicId, offset: nextOffset, leaderEpoch: checkedEpoch }
      })
      if (positions.length === 0) return { ...answer, hindered, asked }
      const waits = isIdle && this.#partitionsOf(leader).length === positions.length
      const limits = waits ? { ...LIMITS, maxWaitMs: IDLE_WAIT_MS } : LIMITS
      const { code, partitions } = await brokers.ask(leader, fetch(positions, isById, limits))
      const problem = code === CODE.NONE ? null : unavailable(answered(code))
      const tookMs = brokers.clock.elapsedMs() - sinceMs
      return { ...answer, tookMs, hindered, asked, partitions, problem }
    } catch (error) {
      return { ...answer, hindered, asked, problem: error as TidemarkError }
    }
  }

  #received({ leader, asked, partitions, problem, hindered, sinceMs }: Answer) {
    const { unreadables } = this.#o
    const still = asked.filter((request) => this.#isStill(request, leader))
    const by = new Map(still.map(({ partition }) => [partitionName(partition), partition]))
    const arrivals: [FetchPosition, Arrived][] = []
    let bytes = 0
    for (const [name, partition] of by) {
      const hindrance = hindered.get(name)
      if (hindrance !== undefined) this.#setBack(partition, hindrance, sinceMs)
      if (problem !== null) {
        unreadables.fails(partition, `broker ${leader}: ${problem.message}`, sinceMs)
      }
    }
    for (const fetched of partitions) {
      const partition = by.get(partitionName(fetched))
      if (partition === undefined) continue
      if (fetched.code === CODE.OFFSET_OUT_OF_RANGE && this.#o.isAssignedAgain?.(partition))
        continue
      if (fetched.code !== CODE.NONE) {
        this.#setBack(partition, hindranceOf(fetched, partition), sinceMs)
        continue
      }
      this.#backoff.over(partition)
      if (unreadables.over(partition)) partition.reportedEnd = -1
      bytes += fetched.set.length
      const arrived = arrivedOf(partition, fetched)
      if (arrived !== null) arrivals.push([partition, arrived])
    }
    return { arrivals, bytes, problem }
  }

  /** Whether nothing has changed meanwhile: a late answer says nothing about the partition. */
  #isStill({ partition, offset, epoch }: PartitionRequest, leader: string): boolean {
    const { brokers, isCurrent } = this.#o
    const isSame = partition.nextOffset === offset && partition.checkedEpoch === epoch
    return isSame && isCurrent(partition) && brokers.map.leaderOf(partition) === leader
  }

  /** Retries a partition a little later; the others of its leader continue. */
  #setBack(partition: FetchPosition, problem: TidemarkError, askedMs: number): void {
    const waitMs = this.#backoff.add(partition, problem, askedMs)
    this.#o.unreadables.fails(partition, problem.message, askedMs)
    void this.#refreshIn(waitMs)
  }

  async #refreshIn(waitMs: number): Promise<void> {
    await this.#o.brokers.clock.sleep(waitMs, this.#over.signal)
    if (this.#isOver) return
    // The next failure refreshes them again.
    await this.#o.brokers.refresh().catch(() => {})
    // Partitions may have moved to other brokers.
    this.wake()
  }
}

interface PartitionRequest {
  readonly partition: FetchPosition
  readonly offset: number
  readonly epoch: number
}

interface Answer {
  readonly leader: string
  readonly sinceMs: number
  readonly tookMs: number
  readonly asked: readonly PartitionRequest[]
  readonly partitions: readonly FetchedPartition[]
  readonly hindered: ReadonlyMap<string, TidemarkError>
  readonly problem: TidemarkError | null
}

const NOTHING: ReadonlyMap<string, TidemarkError> = new Map()

function asItIs(partition: FetchPosition): PartitionRequest {
  return { partition, offset: partition.nextOffset, epoch: partition.checkedEpoch }
}

/** Whether the topic was deleted, or created again, or this broker does not know it yet. */
const isGone = isAmong(
  CODE.UNKNOWN_TOPIC_OR_PARTITION,
  CODE.UNKNOWN_TOPIC_ID,
  CODE.INCONSISTENT_TOPIC_ID,
)

/** Advances the position; `null`: nothing has arrived, and the end is known already. */
function arrivedOf(
  partition: FetchPosition,
  { set: bytes, aborted, highWatermark: endOffset }: FetchedPartition,
): Arrived | null {
  const [name, fromOffset] = [partitionName(partition), partition.nextOffset]
  const limits = { fromOffset, aborted, atOnceBytes: UNPACKED_AT_ONCE_BYTES }
  const set = new RecordSet(bytes, { partition: name, ...limits })
  const hasMovedOn = set.nextOffset > fromOffset
  partition.readEpoch = set.leaderEpoch ?? partition.readEpoch
  partition.nextOffset = set.nextOffset
  const isAtEnd = partition.nextOffset >= endOffset && partition.reportedEnd !== endOffset
  if (!hasMovedOn && !isAtEnd) return null
  if (partition.nextOffset >= endOffset) partition.reportedEnd = endOffset
  return { set, endOffset }
}

function hindranceOf(
  { code, lowOffset }: FetchedPartition,
  { topic, partition, nextOffset }: FetchPosition,
): TidemarkError {
  const where = position(topic, partition, nextOffset)
  if (code === CODE.OFFSET_OUT_OF_RANGE) {
    const left = lowOffset < 0 ? '' : `: it holds ${lowOffset} and later ones`
    const message = `records were deleted from the log before they were read${left}`
    const hint =
      "keep records longer (retention.ms, retention.bytes), then set the group's offset into the log"
    throw new TidemarkError('OFFSET_OUT_OF_RANGE', message, { where, hint })
  }
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) throw notAllowed('READ', 'topic', topic)
  if (isGone(code)) {
    const message = `topic "${topic}" is not there any more`
    return new TidemarkError('TOPIC_MISSING', message, { where, hint: 'was it deleted?' })
  }
  if (hasMoved(code)) return unavailable(answered(code))
  throw new TidemarkError('GROUP_FAILED', answered(code), { where })
}

function answered(code: number): string {
  return `fetching is answered with ${nameOfCode(code)}`
}
