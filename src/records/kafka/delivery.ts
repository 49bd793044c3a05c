import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
import { Backoff } from '../../kernel/random.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { byLeader } from './by-leader.ts'
import { type Outgoing, type Part, requestsOf } from './outgoing.ts'
import type { Pace } from './pace.ts'
import { ENDING, isRetriable, isTooLarge, produceRefusal, TOO_LARGE } from './produce-refusal.ts'
import { topicsOf } from './wire/by-topic.ts'
import { CODE } from './wire/codes.ts'
import { type ProducePartition, produce } from './wire/produce.ts'

// One delivery of batches to their leaders: which leader gets which batch, how its answer is
// handled, and how long it may take.

/** A leader remembers the last 5 batches of a producer, and detects a duplicate only among them. */
const REQUESTS_IN_FLIGHT = 4
/**
 * How long to wait without any acknowledgement, ms: longer than a leader election takes, short
 * enough to report a cluster that is down.
 */
const QUIET_MS = 8_000
const RETRY = { firstMs: 20, lastMs: 1_000 }
/** Retry interval while the previous transaction is still being ended, ms. */
const ENDING_MS = 5
/**
 * Any link transmits this little almost at once, so a broker that does not acknowledge it hangs.
 */
const FEW_BYTES = 16 * 1024

/** How batches are to be delivered. */
export interface Sending {
  /** `null`: outside of transactions. */
  readonly transactionalId: string | null
  /** Does the broker add partitions to the transaction automatically (KIP-890)? */
  readonly joinsTransaction: boolean
  /** Time limit, ms; `null`: none, as long as acknowledgements keep coming. */
  readonly withinMs: number | null
  /** Called before each request: may it still be sent? If not, rejects with the reason. */
  readonly check: () => Promise<void> | void
}

/** What a delivery works with. */
export interface DeliveryOptions {
  readonly brokers: Brokers
  readonly pace: Pace
  /** Does the partition's leader have batches of this producer? */
  readonly isKnown: (to: Outgoing) => boolean
  /** Called when the partition's first batch is acknowledged. */
  readonly acknowledged: (to: Outgoing) => void
  /**
   * Called when the partition's first batch is too large and has more than one record: the rest is
   * to be packed into smaller batches.
   */
  readonly split: (to: Outgoing) => void
  /** Called when a request was not answered: its records may still arrive. */
  readonly lost: () => void
}

/** The requests in flight to one leader. */
interface LeaderFlight {
  readonly leader: string
  bytes: number
  /**
   * Has its connection ended? Later batches must not arrive before those that were lost with it.
   */
  isBroken: boolean
  /** When something was last acknowledged, or written while nothing was in flight. */
  sinceMs: number
}

/** One delivery of batches to their leaders. */
export class Delivery {
  readonly #sending: Sending
  readonly #o: DeliveryOptions
  readonly #flights = new Set<LeaderFlight>()
  /** Time of the last acknowledgement. */
  #quietMs = 0
  #isOverdue = false
  /** Bytes that were in flight for too long. */
  #overdueBytes = 0

  constructor(sending: Sending, options: DeliveryOptions) {
    this.#sending = sending
    this.#o = options
  }

  /** @throws as `Producer.send` */
  async send(outgoing: readonly Outgoing[]): Promise<void> {
    const { withinMs } = this.#sending
    const { clock } = this.#o.brokers
    this.#quietMs = clock.elapsedMs()
    const cancel = withinMs === null ? () => {} : clock.after(withinMs, () => this.#endAll())
    try {
      await this.#send(outgoing)
    } finally {
      cancel()
    }
  }

  async #send(outgoing: readonly Outgoing[]): Promise<void> {
    const { brokers } = this.#o
    const backoff = new Backoff(RETRY, brokers.random)
    let left = outgoing
    for (;;) {
      const sent = await Promise.allSettled(
        [...byLeader(brokers, left)].map(([leader, list]) => this.#sendTo(leader, list)),
      )
      // All of them have ended.
      for (const one of sent) if (one.status === 'rejected') throw one.reason
      left = left.filter(({ batches }) => batches.length > 0)
      if (left.length === 0) return
      const problems = sent.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : []))
      const unled = left.find((to) => brokers.leaderOf(to) === undefined)
      if (unled !== undefined) problems.push(noLeader(unled))
      const hindrance = problems.find((problem) => problem !== TOO_LARGE)
      this.#giveUpIfOverdue(hindrance)
      const [problem] = problems
      if (problem === TOO_LARGE) continue
      if (problem === ENDING) {
        await brokers.clock.sleep(ENDING_MS)
      } else {
        await brokers.clock.sleep(backoff.nextMs())
        // If this fails, the known leaders are tried once more.
        await brokers.refresh().catch(() => {})
      }
      // Otherwise the next attempt would send nothing, and the reason would be lost.
      this.#giveUpIfOverdue(hindrance)
    }
  }

  /**
   * @param problem `undefined`: only time was lacking
   * @throws TidemarkError when it has taken too long
   */
  #giveUpIfOverdue(problem: TidemarkError | undefined): void {
    const { withinMs } = this.#sending
    const tookMs = this.#nowMs() - this.#quietMs
    if (!this.#isOverdue && (withinMs !== null || tookMs <= QUIET_MS)) return
    const areFew = this.#overdueBytes <= FEW_BYTES
    if (areFew && problem !== undefined) throw problem
    const what = areFew ? 'records' : `${Math.ceil(this.#overdueBytes / 1_000)} kB`
    throw new TidemarkError(
      'COMMIT_TIMED_OUT',
      `${what} were not acknowledged in ${formatDuration(withinMs ?? tookMs)}`,
      { hint: 'the link or the broker is slow: the next commits will be smaller', cause: problem },
    )
  }

  /**
   * Nothing may still be in flight when the transaction has ended, or when the records are sent
   * again.
   */
  #endAll(): void {
    this.#isOverdue = true
    for (const { leader } of this.#flights) {
      this.#o.brokers.hangUp(leader, 'records were not acknowledged in time')
    }
  }

  /**
   * Sends all batches of some partitions once and removes the acknowledged ones.
   * @returns the problem that hinders the rest; `null`: none
   */
  async #sendTo(leader: string, list: readonly Outgoing[]): Promise<TidemarkError | null> {
    const { brokers, pace } = this.#o
    try {
      // Otherwise the first requests could overtake each other while they wait for the connection.
      if (!brokers.hasMet(leader)) await brokers.meet(leader)
    } catch (error) {
      return thrownOrProblem(error)
    }
    const flight: LeaderFlight = { leader, bytes: 0, isBroken: false, sinceMs: 0 }
    this.#flights.add(flight)
    const answers: Promise<readonly BatchResult[]>[] = []
    try {
      for (const [i, parts] of requestsOf(list, pace.requestBytes).entries()) {
        // They use one connection, so they arrive in the order in which they are sent.
        if (i >= REQUESTS_IN_FLIGHT) await answers[i - REQUESTS_IN_FLIGHT]
        if (this.#isAhead(parts) && !(await Promise.all(answers)).flat().every(isTaken)) break
        await this.#mayWrite(leader)
        if (this.#isOverdue || flight.isBroken) break
        answers.push(this.#request(flight, parts))
      }
    } finally {
      await Promise.all(answers)
      this.#flights.delete(flight)
    }
    return this.#settle((await Promise.all(answers)).flat())
  }

  /**
   * Would a batch be sent ahead of an unacknowledged first one? A leader accepts any sequence
   * number from a producer that it does not know: the second batch would be taken even if the first
   * was not.
   */
  #isAhead(parts: readonly Part[]): boolean {
    return parts.some(({ to, batch }) => batch !== to.batches[0] && !this.#o.isKnown(to))
  }

  /**
   * Resolves when a request may be written.
   * @throws what `check` rejects with
   */
  async #mayWrite(leader: string): Promise<void> {
    if (await notThrottled(this.#o.brokers, leader)) this.#quietMs = this.#nowMs()
    await this.#sending.check()
  }

  /**
   * Removes acknowledged batches.
   * @returns the problem that hinders the rest; `null`: none
   */
  #settle(results: readonly BatchResult[]): TidemarkError | null {
    let problem: TidemarkError | null = null
    const stuck = new Set<Outgoing>()
    const moved = new Set<Outgoing>()
    const large = new Set<Outgoing>()
    for (const { part, code, error } of results) {
      const { to, batch } = part
      // The batches after a refused one have sequence numbers that the leader cannot accept either.
      if (stuck.has(to)) continue
      if (isTaken({ code, error })) {
        this.#o.acknowledged(to)
        moved.add(to)
        continue
      }
      stuck.add(to)
      if (error === null && isTooLarge(code) && batch.count > 1) {
        large.add(to)
        continue
      }
      // It arrived before its predecessor, which has arrived by now.
      const hasOvertaken = code === CODE.OUT_OF_ORDER_SEQUENCE_NUMBER && moved.has(to)
      if (error === null && !hasOvertaken && !isRetriable(code)) throw produceRefusal(code, to)
      problem ??= error === null ? produceRefusal(code, to) : thrownOrProblem(error)
    }
    for (const to of large) this.#o.split(to)
    return problem ?? (large.size > 0 ? TOO_LARGE : null)
  }

  async #request(flight: LeaderFlight, parts: readonly Part[]): Promise<BatchResult[]> {
    const bytes = parts.reduce((sum, { batch }) => sum + batch.bytes.length, 0)
    if (flight.bytes === 0) flight.sinceMs = this.#nowMs()
    flight.bytes += bytes
    const { brokers, pace } = this.#o
    const request = { ...this.#requestOf(parts), waitsMs: 2 * pace.needsMs(flight.bytes) }
    try {
      const answer = await brokers.ask(flight.leader, request)
      this.#answered(flight, bytes)
      if (answer.some(({ code }) => code === CODE.NONE)) this.#quietMs = this.#nowMs()
      const codes = new Map(answer.map((of) => [partitionName(of), of.code]))
      return parts.map((part) => {
        const code = codes.get(partitionName(part.to)) ?? CODE.NETWORK_EXCEPTION
        return { part, code, error: null }
      })
    } catch (error) {
      this.#notAnswered(flight)
      return parts.map((part) => ({ part, code: CODE.NONE, error: error as TidemarkError }))
    }
  }

  #answered(flight: LeaderFlight, bytes: number): void {
    const nowMs = this.#nowMs()
    const throttleMs = this.#o.brokers.throttleLeftMs(flight.leader)
    this.#o.pace.acknowledged(bytes, Math.max(0, nowMs - flight.sinceMs), throttleMs)
    flight.bytes -= bytes
    // The broker reads what was written before only then.
    flight.sinceMs = nowMs + throttleMs
  }

  /** The connection has ended, and with it everything in flight on it. */
  #notAnswered(flight: LeaderFlight): void {
    this.#o.lost()
    const { bytes } = flight
    flight.bytes = 0
    flight.isBroken = true
    const tookMs = this.#nowMs() - flight.sinceMs
    if (bytes === 0 || !(this.#isOverdue || tookMs > QUIET_MS)) return
    this.#overdueBytes += bytes
    if (bytes > FEW_BYTES) this.#o.pace.timedOut(bytes, tookMs)
  }

  #nowMs(): number {
    return this.#o.brokers.clock.elapsedMs()
  }

  #requestOf(parts: readonly Part[]) {
    const topics = topicsOf(parts.map((part) => ({ topic: part.to.topic, part }))).map(
      ([topic, ofTopic]) =>
        [
          topic,
          ofTopic.map(
            ({ part }): ProducePartition => ({
              partition: part.to.partition,
              batch: part.batch.bytes,
            }),
          ),
        ] as const,
    )
    return produce(topics, { ...this.#sending, timeoutMs: QUIET_MS })
  }
}

/** The outcome of one batch: the broker's code, or the error that prevented an answer. */
interface BatchResult {
  readonly part: Part
  readonly code: number
  readonly error: TidemarkError | null
}

function isTaken({ code, error }: Omit<BatchResult, 'part'>): boolean {
  return error === null && (code === CODE.NONE || code === CODE.DUPLICATE_SEQUENCE_NUMBER)
}

/**
 * Resolves when a broker does not throttle records.
 * @returns whether it had to be waited for
 */
export async function notThrottled(brokers: Brokers, leader: string): Promise<boolean> {
  let hasWaited = false
  for (;;) {
    const leftMs = brokers.throttleLeftMs(leader)
    if (leftMs === 0) return hasWaited
    hasWaited = true
    await brokers.clock.sleep(Math.ceil(leftMs))
  }
}

/**
 * Returns an error that may be temporary.
 * @throws any other error
 */
function thrownOrProblem(error: unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE') return error
  throw error
}

function noLeader(to: TopicPartition): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', 'the partition has no leader', {
    where: partitionName(to),
  })
}
