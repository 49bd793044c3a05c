import { Backoff } from '../../kernel/backoff.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { partitionName } from '../../kernel/ids.ts'
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

// One delivery of batches to their leaders: who has which, what came back, and how long it may
// take.

/** A leader remembers the last 5 batches of a producer, and knows a repetition only among them. */
const REQUESTS_IN_FLIGHT = 4
/**
 * Without any acknowledgement: a leader election passes, and a cluster that is gone is told, ms.
 */
const QUIET_MS = 8_000
const RETRY = { firstMs: 20, lastMs: 1_000 }
const ENDING_MS = 5
/** Fewer are written in no time over any link: a broker that does not acknowledge them hangs. */
const FEW_BYTES = 16 * 1024

/** How batches are to be taken. */
export interface Sending {
  /** `null`: in no transaction. */
  readonly transactionalId: string | null
  /** Does the broker add partitions to the transaction by itself (KIP-890)? */
  readonly joinsTransaction: boolean
  /** For how long it may take, ms; `null`: as long as acknowledgements keep coming. */
  readonly withinMs: number | null
  /** Asked before each request: may it still go out? Rejects with why not. */
  readonly check: () => Promise<void> | void
}

export interface DeliveryOptions {
  readonly brokers: Brokers
  readonly pace: Pace
  /** Does the partition's leader have batches of this producer? */
  readonly isKnown: (to: Outgoing) => boolean
  /** The partition's first batch is acknowledged. */
  readonly acknowledged: (to: Outgoing) => void
  /**
   * The partition's first batch is too large, and more than one record: what is left is to be
   * packed smaller.
   */
  readonly split: (to: Outgoing) => void
  /** Something was not answered: it may still arrive. */
  readonly lost: () => void
}

/** What is under way to a leader. */
interface Line {
  readonly leader: string
  bytes: number
  /** Has its connection ended? What comes behind must not arrive before what was lost with it. */
  isBroken: boolean
  /** When something was last acknowledged, or written while nothing was under way. */
  sinceMs: number
}

export class Delivery {
  readonly #sending: Sending
  readonly #o: DeliveryOptions
  readonly #lines = new Set<Line>()
  /** Since when nothing has been acknowledged. */
  #quietMs = 0
  #isOverdue = false
  /** What was under way for too long, bytes. */
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
      // All have come to an end.
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
        // Without an answer the leaders stay as they were, and are asked once more.
        await brokers.refresh().catch(() => {})
      }
      // Else it would send nothing more, and forget why.
      this.#giveUpIfOverdue(hindrance)
    }
  }

  /**
   * @param problem `undefined`: nothing but time was lacking @throws TidemarkError when it has
   * taken too long
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
      { hint: 'the link or the broker is slow: smaller commits follow', cause: problem },
    )
  }

  /**
   * What is still under way must not be when its transaction has ended, or when it is sent again.
   */
  #endAll(): void {
    this.#isOverdue = true
    for (const { leader } of this.#lines) {
      this.#o.brokers.hangUp(leader, 'records were not acknowledged in time')
    }
  }

  /**
   * Sends all batches of some partitions once; takes out those that were acknowledged, and says
   * what hinders the rest.
   */
  async #sendTo(leader: string, list: readonly Outgoing[]): Promise<TidemarkError | null> {
    const { brokers, pace } = this.#o
    try {
      // Else the first requests would overtake each other while they wait for the connection.
      if (!brokers.hasMet(leader)) await brokers.meet(leader)
    } catch (error) {
      return thrownOrProblem(error)
    }
    const line: Line = { leader, bytes: 0, isBroken: false, sinceMs: 0 }
    this.#lines.add(line)
    const answers: Promise<readonly Result[]>[] = []
    try {
      for (const [i, parts] of requestsOf(list, pace.requestBytes).entries()) {
        // On one connection: they arrive in the order in which they are sent.
        if (i >= REQUESTS_IN_FLIGHT) await answers[i - REQUESTS_IN_FLIGHT]
        if (this.#isAhead(parts) && !(await Promise.all(answers)).flat().every(isTaken)) break
        await this.#mayWrite(leader)
        if (this.#isOverdue || line.isBroken) break
        answers.push(this.#request(line, parts))
      }
    } finally {
      await Promise.all(answers)
      this.#lines.delete(line)
    }
    return this.#take((await Promise.all(answers)).flat())
  }

  /**
   * A leader takes any number from a producer that it does not know: the second batch would pass
   * where the first did not.
   */
  #isAhead(parts: readonly Part[]): boolean {
    return parts.some(({ to, batch }) => batch !== to.batches[0] && !this.#o.isKnown(to))
  }

  /** Resolves when a request may be written. @throws what `check` rejects with */
  async #mayWrite(leader: string): Promise<void> {
    if (await notThrottled(this.#o.brokers, leader)) this.#quietMs = this.#nowMs()
    await this.#sending.check()
  }

  /** Takes out what was acknowledged. @returns what hinders the rest */
  #take(results: readonly Result[]): TidemarkError | null {
    let problem: TidemarkError | null = null
    const stuck = new Set<Outgoing>()
    const moved = new Set<Outgoing>()
    const large = new Set<Outgoing>()
    for (const { part, code, error } of results) {
      const { to, batch } = part
      // What came behind a batch that was not taken has a number that the leader cannot take
      // either.
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
      // It came before the one that it follows, which is there by now.
      const hasOvertaken = code === CODE.OUT_OF_ORDER_SEQUENCE_NUMBER && moved.has(to)
      if (error === null && !hasOvertaken && !isRetriable(code)) throw produceRefusal(code, to)
      problem ??= error === null ? produceRefusal(code, to) : thrownOrProblem(error)
    }
    for (const to of large) this.#o.split(to)
    return problem ?? (large.size > 0 ? TOO_LARGE : null)
  }

  async #request(line: Line, parts: readonly Part[]): Promise<Result[]> {
    const bytes = parts.reduce((sum, { batch }) => sum + batch.bytes.length, 0)
    if (line.bytes === 0) line.sinceMs = this.#nowMs()
    line.bytes += bytes
    const { brokers, pace } = this.#o
    const request = { ...this.#requestOf(parts), waitsMs: 2 * pace.needsMs(line.bytes) }
    try {
      const answer = await brokers.ask(line.leader, request)
      this.#answered(line, bytes)
      if (answer.some(({ code }) => code === CODE.NONE)) this.#quietMs = this.#nowMs()
      const codes = new Map(answer.map((of) => [partitionName(of), of.code]))
      return parts.map((part) => {
        const code = codes.get(partitionName(part.to)) ?? CODE.NETWORK_EXCEPTION
        return { part, code, error: null }
      })
    } catch (error) {
      this.#notAnswered(line)
      return parts.map((part) => ({ part, code: CODE.NONE, error: error as TidemarkError }))
    }
  }

  #answered(line: Line, bytes: number): void {
    const nowMs = this.#nowMs()
    const throttleMs = this.#o.brokers.throttleLeftMs(line.leader)
    this.#o.pace.acknowledged(bytes, Math.max(0, nowMs - line.sinceMs), throttleMs)
    line.bytes -= bytes
    // What was written before is read then.
    line.sinceMs = nowMs + throttleMs
  }

  /** The connection has ended, and with it all that was under way over it. */
  #notAnswered(line: Line): void {
    this.#o.lost()
    const { bytes } = line
    line.bytes = 0
    line.isBroken = true
    const tookMs = this.#nowMs() - line.sinceMs
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

interface Result {
  readonly part: Part
  readonly code: number
  readonly error: TidemarkError | null
}

function isTaken({ code, error }: Omit<Result, 'part'>): boolean {
  return error === null && (code === CODE.NONE || code === CODE.DUPLICATE_SEQUENCE_NUMBER)
}

/** Resolves when a broker takes records. @returns whether it had to be waited for */
export async function notThrottled(brokers: Brokers, leader: string): Promise<boolean> {
  let hasWaited = false
  for (;;) {
    const leftMs = brokers.throttleLeftMs(leader)
    if (leftMs === 0) return hasWaited
    hasWaited = true
    await brokers.clock.sleep(Math.ceil(leftMs))
  }
}

/** What may pass. @throws what will not */
function thrownOrProblem(error: unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code === 'BROKER_UNAVAILABLE') return error
  throw error
}

function noLeader(to: TopicPartition): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', 'the partition has no leader', {
    where: partitionName(to),
  })
}
