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
import { RETRY, Setbacks, type Unreadables } from './unreadable-partitions.ts'

// Fetches records from the partitions' leaders, one fetch per broker at a time. The next one is
// sent before the records of the last are handed over, so that the broker reads while this process
// works.

export interface Fetchable extends LogMark {
  /** The offset to fetch next; earlier records may still be in the {@link FetchBuffer}. */
  nextOffset: number
  readEpoch: number
  reportedEnd: number
  /** A paused partition is not requested; records that have arrived are kept for it. */
  paused: boolean
}

export interface FetcherOptions {
  readonly brokers: Brokers
  readonly partitions: () => Iterable<Fetchable>
  /** Is the partition still read? Otherwise records that arrive are dropped. */
  readonly isCurrent: (of: Fetchable) => boolean
  /** Called with some thousand records at most, or with none when only the position has moved. */
  readonly fetched: (of: Fetchable, fetched: Fetched) => void
  /** Called when a broker has answered with records. @default not reported */
  readonly answered?: (durationMs: number) => void
  readonly unreadables: Unreadables
  /** Records to be replayed before output; at least 1 until they are processed. @default none */
  readonly leftToReplay?: (of: Fetchable) => number
  /** The offset at which output begins: records before it are replayed. @default 0 */
  readonly outputFrom?: (of: Fetchable) => number
  /** Called when the position is not in the log any more: is the partition assigned once more? */
  readonly isAssignedAgain?: (of: Fetchable) => boolean
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

export class Fetcher {
  readonly #o: FetcherOptions
  readonly #changed = new ConditionVariable()
  readonly #buffer: FetchBuffer<Fetchable>
  /** Leaders that records are fetched from. */
  readonly #leaders = new Set<string>()
  #turn = 0
  readonly #setbacks: Setbacks<Fetchable>
  readonly #over = new AbortController()

  constructor(options: FetcherOptions) {
    this.#o = options
    const { brokers, fetched } = options
    this.#setbacks = new Setbacks<Fetchable>(brokers)
    const isCurrent = (of: Fetchable) => !this.#isOver && options.isCurrent(of)
    this.#buffer = new FetchBuffer<Fetchable>({
      clock: brokers.clock,
      isCurrent,
      outputFrom: (of) => options.outputFrom?.(of) ?? 0,
      fetched,
    })
    void this.#seekLeaders().catch((error: unknown) => this.#fail(error))
  }

  wake(): void {
    if (this.#isOver) return
    const drained = () => this.#changed.notifyAll()
    void this.#buffer.drainAll().then(drained, (error: unknown) => this.#fail(error))
    for (const of of this.#o.partitions()) {
      const leader = this.#o.brokers.map.leaderOf(of)
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
        (of) => !of.paused && brokers.map.leaderOf(of) === undefined,
      )
      if (lost.length === 0) continue
      for (const of of lost) {
        refuseIfRecreated(of, brokers)
        unreadables.fails(of, NO_LEADER)
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
      const { got, bytes, problem } = this.#received(answer)
      isIdle = problem === null && bytes === 0
      if (bytes > 0) this.#o.answered?.(answer.tookMs)
      if (problem === null) {
        backoff.reset()
        if (bytes >= SMALL_BYTES) next = this.#ask(leader, isIdle)
      }
      for (const [of, arrived] of got) this.#buffer.add(of, arrived)
      await Promise.all(got.map(([of]) => this.#buffer.drain(of)))
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

  #partitionsOf(leader: string): Fetchable[] {
    const { partitions, brokers } = this.#o
    return [...partitions()].filter((of) => brokers.map.leaderOf(of) === leader)
  }

  #wantedOf(leader: string): Fetchable[] {
    const all = this.#partitionsOf(leader).filter((of) => !of.paused && !this.#setbacks.has(of))
    return this.#withOneReplay(all).filter((of) => !this.#buffer.has(of))
  }

  /**
   * Leaves out all replayed partitions but the one with the least left: on average all outputs come
   * sooner (shortest remaining processing time first, Schrage 1968). Paused ones are not among them:
   * nothing would wake the others when one that is paused at the end of a range is restored.
   */
  #withOneReplay(all: readonly Fetchable[]): readonly Fetchable[] {
    const { leftToReplay } = this.#o
    if (leftToReplay === undefined) return all
    const left = new Map(all.map((of) => [of, leftToReplay(of)]))
    const leftOf = (of: Fetchable) => left.get(of) as number
    const replayed = all.filter((of) => leftOf(of) > 0)
    const [shortest] = replayed.toSorted((a, b) => leftOf(a) - leftOf(b))
    return all.filter((of) => of === shortest || leftOf(of) <= 0)
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
      asked = asked.filter(({ of, offset }) => of.nextOffset === offset).map(({ of }) => asItIs(of))
      const isSound = (of: Fetchable) =>
        !hindered.has(partitionName(of)) && of.checkedEpoch === brokers.map.leaderEpochOf(of)
      const sound = asked.map(({ of }) => of).filter(isSound)
      const isById =
        sound.every(({ topicId }) => topicId !== null) && (await brokers.fetchesById(leader))
      const positions = sound.map((of) => {
        const { topic, partition, topicId } = of
        return { topic, partition, topicId, offset: of.nextOffset, leaderEpoch: of.checkedEpoch }
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
    const still = asked.filter((one) => this.#isStill(one, leader))
    const by = new Map(still.map(({ of }) => [partitionName(of), of]))
    const got: [Fetchable, Arrived][] = []
    let bytes = 0
    for (const [name, of] of by) {
      const hindrance = hindered.get(name)
      if (hindrance !== undefined) this.#setBack(of, hindrance, sinceMs)
      if (problem !== null) {
        unreadables.fails(of, `broker ${leader}: ${problem.message}`, sinceMs)
      }
    }
    for (const partition of partitions) {
      const of = by.get(partitionName(partition))
      if (of === undefined) continue
      if (partition.code === CODE.OFFSET_OUT_OF_RANGE && this.#o.isAssignedAgain?.(of)) continue
      if (partition.code !== CODE.NONE) {
        this.#setBack(of, hindranceOf(partition, of), sinceMs)
        continue
      }
      this.#setbacks.over(of)
      if (unreadables.over(of)) of.reportedEnd = -1
      bytes += partition.set.length
      const arrived = arrivedOf(of, partition)
      if (arrived !== null) got.push([of, arrived])
    }
    return { got, bytes, problem }
  }

  /** Otherwise a late answer says nothing about the partition. */
  #isStill({ of, offset, epoch }: Asked, leader: string): boolean {
    const { brokers, isCurrent } = this.#o
    const isSame = of.nextOffset === offset && of.checkedEpoch === epoch
    return isSame && isCurrent(of) && brokers.map.leaderOf(of) === leader
  }

  /** Retries a partition a little later; the others of its leader continue. */
  #setBack(of: Fetchable, problem: TidemarkError, askedMs: number): void {
    const waitMs = this.#setbacks.add(of, problem, askedMs)
    this.#o.unreadables.fails(of, problem.message, askedMs)
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

interface Asked {
  readonly of: Fetchable
  readonly offset: number
  readonly epoch: number
}

interface Answer {
  readonly leader: string
  readonly sinceMs: number
  readonly tookMs: number
  readonly asked: readonly Asked[]
  readonly partitions: readonly FetchedPartition[]
  readonly hindered: ReadonlyMap<string, TidemarkError>
  readonly problem: TidemarkError | null
}

const NOTHING: ReadonlyMap<string, TidemarkError> = new Map()

function asItIs(of: Fetchable): Asked {
  return { of, offset: of.nextOffset, epoch: of.checkedEpoch }
}

/** The topic was deleted, or created again, or this broker does not know it yet. */
const isGone = isAmong(
  CODE.UNKNOWN_TOPIC_OR_PARTITION,
  CODE.UNKNOWN_TOPIC_ID,
  CODE.INCONSISTENT_TOPIC_ID,
)

/** Advances the position; `null`: nothing has arrived, and the end is known already. */
function arrivedOf(
  of: Fetchable,
  { set: bytes, aborted, highWatermark: endOffset }: FetchedPartition,
): Arrived | null {
  const [partition, fromOffset] = [partitionName(of), of.nextOffset]
  const atOnceBytes = UNPACKED_AT_ONCE_BYTES
  const set = new RecordSet(bytes, { partition, fromOffset, aborted, atOnceBytes })
  const hasMovedOn = set.nextOffset > fromOffset
  of.readEpoch = set.leaderEpoch ?? of.readEpoch
  of.nextOffset = set.nextOffset
  const isAtEnd = of.nextOffset >= endOffset && of.reportedEnd !== endOffset
  if (!hasMovedOn && !isAtEnd) return null
  if (of.nextOffset >= endOffset) of.reportedEnd = endOffset
  return { set, endOffset }
}

function hindranceOf({ code, lowOffset }: FetchedPartition, of: Fetchable): TidemarkError {
  const { topic, partition, nextOffset } = of
  const where = position(topic, partition, nextOffset)
  if (code === CODE.OFFSET_OUT_OF_RANGE) {
    const left = lowOffset < 0 ? '' : `: it holds ${lowOffset} and later ones`
    const what = `records were deleted from the log before they were read${left}`
    const hint =
      "keep records longer (retention.ms, retention.bytes), then set the group's offset into the log"
    throw new TidemarkError('OFFSET_OUT_OF_RANGE', what, { where, hint })
  }
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    throw notAllowed('READ', { type: 'topic', name: topic })
  }
  if (isGone(code)) {
    const what = `topic "${topic}" is not there any more`
    return new TidemarkError('TOPIC_MISSING', what, { where, hint: 'was it deleted?' })
  }
  if (hasMoved(code)) return unavailable(answered(code))
  throw new TidemarkError('GROUP_FAILED', answered(code), { where })
}

function answered(code: number): string {
  return `fetching is answered with ${nameOfCode(code)}`
}
