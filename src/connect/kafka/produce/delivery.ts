import { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { Backoff } from '../../../kernel/random.ts'
import { formatDuration } from '../../../kernel/time.ts'
import type { TopicPartition } from '../../port.ts'
import type { WrittenRecords } from '../../written-records.ts'
import type { Brokers } from '../client/brokers.ts'
import {
  ENDING,
  isBatchTooLarge,
  isRetriable,
  isUnavailable,
  produceRefusal,
  TOO_LARGE,
  withoutLeader,
} from '../client/errors.ts'
import type { BatchEncoder, EncodedBatch, EncodeOptions, Selection } from '../codec/encode.ts'
import { type ProduceOptions, produceBatches } from '../wire/produce.ts'
import { CODE } from '../wire/protocol.ts'
import type { ThroughputEstimator } from './throughput-estimator.ts'

/** A leader detects a duplicate only among the last 5 batches of a producer. */
const REQUESTS_IN_FLIGHT = 4
/** Longest time without an acknowledgement, ms: longer than a leader election. */
const UNACKNOWLEDGED_MS = 8_000
const RETRY = { firstMs: 20, lastMs: 1_000 }
const ENDING_MS = 5
/** A broker that does not acknowledge this little hangs, because any link transmits it at once. */
const FEW_BYTES = 16 * 1024

export interface Sending extends Omit<ProduceOptions, 'timeoutMs'> {
  /** Time limit, ms; `null`: as long as acknowledgements keep coming. */
  readonly withinMs: number | null
  /** Called before each request: rejects with the reason why it may not be sent. */
  readonly check: () => Promise<void> | void
}

interface DeliveryOptions {
  readonly brokers: Brokers
  readonly throughput: ThroughputEstimator
  /** Whether the partition's leader has batches of this producer. */
  readonly isKnown: (to: Outgoing) => boolean
  readonly acknowledged: (to: Outgoing) => void
  /** Called when the partition's first batch is too large, to pack the rest into smaller ones. */
  readonly split: (to: Outgoing) => void
  /** Called when a request was not answered: its records may still arrive. */
  readonly lost: () => void
}

interface LeaderFlight {
  readonly leader: string
  bytes: number
  isBroken: boolean
  /** When something was last acknowledged, or written while nothing was in flight. */
  sinceMs: number
}

/**
 * Sends batches to the leaders of their partitions in rounds, several requests in flight to each,
 * until all are acknowledged: which leader gets which batch, how its answer is handled, and how
 * long it may take.
 */
export class Delivery {
  readonly #sending: Sending
  readonly #o: DeliveryOptions
  readonly #flights = new Set<LeaderFlight>()
  #acknowledgedMs = 0
  #isOverdue = false
  #overdueBytes = 0

  constructor(sending: Sending, options: DeliveryOptions) {
    this.#sending = sending
    this.#o = options
  }

  async send(outgoing: readonly Outgoing[]): Promise<void> {
    const { withinMs } = this.#sending
    const { clock } = this.#o.brokers
    this.#acknowledgedMs = clock.elapsedMs()
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
        [...brokers.map.byLeader(left)].map(([leader, list]) => this.#sendTo(leader, list)),
      )
      for (const result of sent) if (result.status === 'rejected') throw result.reason
      left = left.filter(({ batches }) => batches.length > 0)
      if (left.length === 0) return
      const problems = sent.flatMap((r) => (r.status === 'fulfilled' ? (r.value ?? []) : []))
      const unled = left.find((to) => brokers.map.leaderOf(to) === undefined)
      if (unled !== undefined) problems.push(withoutLeader(unled))
      const hindrance = problems.find((problem) => problem !== TOO_LARGE)
      this.#giveUpIfOverdue(hindrance)
      const [problem] = problems
      if (problem === TOO_LARGE) continue
      if (problem === ENDING) {
        await brokers.clock.sleep(ENDING_MS)
      } else {
        await brokers.clock.sleep(backoff.nextMs())
        await brokers.refresh().catch(() => {})
      }
      // The next attempt would send nothing, and the reason would be lost.
      this.#giveUpIfOverdue(hindrance)
    }
  }

  #giveUpIfOverdue(problem: TidemarkError | undefined): void {
    const { withinMs } = this.#sending
    const tookMs = this.#nowMs() - this.#acknowledgedMs
    if (!this.#isOverdue && (withinMs !== null || tookMs <= UNACKNOWLEDGED_MS)) return
    const areFew = this.#overdueBytes <= FEW_BYTES
    if (areFew && problem !== undefined) throw problem
    const amount = areFew ? 'records' : `${Math.ceil(this.#overdueBytes / 1_000)} kB`
    const message = `${amount} were not acknowledged in ${formatDuration(withinMs ?? tookMs)}`
    const hint = 'the link or the broker is slow: the next commits will be smaller'
    throw new TidemarkError('COMMIT_TIMED_OUT', message, { hint, cause: problem })
  }

  /** Nothing may be in flight when the transaction has ended, or when records are sent again. */
  #endAll(): void {
    this.#isOverdue = true
    for (const { leader } of this.#flights) {
      this.#o.brokers.hangUp(leader, 'records were not acknowledged in time')
    }
  }

  /** Sends all batches once, and removes acknowledged ones. Returns the problem of the rest. */
  async #sendTo(leader: string, list: readonly Outgoing[]): Promise<TidemarkError | null> {
    const { brokers, throughput } = this.#o
    try {
      // The first requests could overtake each other while they wait for the connection.
      if (!brokers.isConnectedTo(leader)) await brokers.connectTo(leader)
    } catch (error) {
      return temporaryOrThrow(error)
    }
    const flight: LeaderFlight = { leader, bytes: 0, isBroken: false, sinceMs: 0 }
    this.#flights.add(flight)
    const answers: Promise<readonly BatchResult[]>[] = []
    try {
      for (const [i, parts] of requestsOf(list, throughput.requestBytes).entries()) {
        // One connection keeps the order.
        if (i >= REQUESTS_IN_FLIGHT) await answers[i - REQUESTS_IN_FLIGHT]
        if (this.#isAhead(parts) && !(await Promise.all(answers)).flat().every(isTaken)) break
        if (await whenUnthrottled(brokers, leader)) this.#acknowledgedMs = this.#nowMs()
        await this.#sending.check()
        if (this.#isOverdue || flight.isBroken) break
        answers.push(this.#request(flight, parts))
      }
    } finally {
      await Promise.all(answers)
      this.#flights.delete(flight)
    }
    return this.#apply((await Promise.all(answers)).flat())
  }

  /** A leader takes any sequence number of a producer that it does not know. */
  #isAhead(parts: readonly PartitionBatch[]): boolean {
    return parts.some(({ to, batch }) => batch !== to.batches[0] && !this.#o.isKnown(to))
  }

  #apply(results: readonly BatchResult[]): TidemarkError | null {
    let problem: TidemarkError | null = null
    const stuck = new Set<Outgoing>()
    const moved = new Set<Outgoing>()
    const large = new Set<Outgoing>()
    for (const { part, code, error } of results) {
      const { to, batch } = part
      // The leader cannot accept the sequence numbers after a refused batch either.
      if (stuck.has(to)) continue
      if (isTaken({ code, error })) {
        this.#o.acknowledged(to)
        moved.add(to)
        continue
      }
      stuck.add(to)
      if (error === null && isBatchTooLarge(code) && batch.count > 1) {
        large.add(to)
        continue
      }
      // The batch arrived before its predecessor, which has arrived by now.
      const hasOvertaken = code === CODE.OUT_OF_ORDER_SEQUENCE_NUMBER && moved.has(to)
      if (error === null && !hasOvertaken && !isRetriable(code)) throw produceRefusal(code, to)
      problem ??= error === null ? produceRefusal(code, to) : temporaryOrThrow(error)
    }
    for (const to of large) this.#o.split(to)
    return problem ?? (large.size > 0 ? TOO_LARGE : null)
  }

  async #request(flight: LeaderFlight, parts: readonly PartitionBatch[]): Promise<BatchResult[]> {
    const bytes = parts.reduce((sum, { batch }) => sum + batch.bytes.length, 0)
    if (flight.bytes === 0) flight.sinceMs = this.#nowMs()
    flight.bytes += bytes
    const { brokers, throughput } = this.#o
    const batches = parts.map(({ to: { topic, partition }, batch }) => {
      return { topic, partition, batch: batch.bytes }
    })
    const request = produceBatches(batches, { ...this.#sending, timeoutMs: UNACKNOWLEDGED_MS })
    const waitsMs = 2 * throughput.needsMs(flight.bytes)
    try {
      const answer = await brokers.ask(flight.leader, { ...request, waitsMs })
      this.#answered(flight, bytes)
      if (answer.some(({ code }) => code === CODE.NONE)) this.#acknowledgedMs = this.#nowMs()
      const codes = new Map(answer.map((result) => [partitionName(result), result.code]))
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
    this.#o.throughput.acknowledged(bytes, Math.max(0, nowMs - flight.sinceMs), throttleMs)
    flight.bytes -= bytes
    // The broker reads the bytes that were written before only then.
    flight.sinceMs = nowMs + throttleMs
  }

  /** The connection has ended, and with it everything in flight on it. */
  #notAnswered(flight: LeaderFlight): void {
    this.#o.lost()
    const { bytes } = flight
    flight.bytes = 0
    flight.isBroken = true
    const tookMs = this.#nowMs() - flight.sinceMs
    if (bytes === 0 || !(this.#isOverdue || tookMs > UNACKNOWLEDGED_MS)) return
    this.#overdueBytes += bytes
    if (bytes > FEW_BYTES) this.#o.throughput.timedOut(bytes, tookMs)
  }

  #nowMs(): number {
    return this.#o.brokers.clock.elapsedMs()
  }
}

interface BatchResult {
  readonly part: PartitionBatch
  readonly code: number
  readonly error: TidemarkError | null
}

function isTaken({ code, error }: Omit<BatchResult, 'part'>): boolean {
  return error === null && (code === CODE.NONE || code === CODE.DUPLICATE_SEQUENCE_NUMBER)
}

/** Resolves when a broker does not throttle records. Returns whether it did. */
export async function whenUnthrottled(brokers: Brokers, leader: string): Promise<boolean> {
  let hasWaited = false
  for (;;) {
    const leftMs = brokers.throttleLeftMs(leader)
    if (leftMs === 0) return hasWaited
    hasWaited = true
    await brokers.clock.sleep(Math.ceil(leftMs))
  }
}

function temporaryOrThrow(error: unknown): TidemarkError {
  if (isUnavailable(error)) return error
  throw error
}

/** The unacknowledged records for one partition, in order, as batches. */
export class Outgoing implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly #selection: Selection
  #acknowledged = 0
  #batches: EncodedBatch[] = []

  constructor({ topic, partition }: TopicPartition, selection: Selection) {
    this.topic = topic
    this.partition = partition
    this.#selection = selection
  }

  addTo(records: WrittenRecords): void {
    const { records: from, indices } = this.#left
    for (const index of indices) records.addFrom(from, index)
  }

  get batches(): readonly EncodedBatch[] {
    return this.#batches
  }

  get bytes(): number {
    return this.#batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  *pack(encoder: BatchEncoder, options: EncodeOptions): Generator<void, void> {
    this.#batches = yield* encoder.encode(this.#left, options)
  }

  /** Removes the first batch and returns how many records it had. */
  acknowledged(): number {
    const count = this.#batches.shift()?.count ?? 0
    this.#acknowledged += count
    return count
  }

  get #left(): Selection {
    const { records, indices } = this.#selection
    return this.#acknowledged === 0
      ? this.#selection
      : { records, indices: indices.slice(this.#acknowledged) }
  }
}

interface PartitionBatch {
  readonly to: Outgoing
  readonly batch: EncodedBatch
}

/** At most one batch per partition in a request, and `maxBytes` unless one batch is larger. */
function requestsOf(all: readonly Outgoing[], maxBytes: number): PartitionBatch[][] {
  const requests: PartitionBatch[][] = []
  const rounds = Math.max(...all.map(({ batches }) => batches.length))
  for (let round = 0; round < rounds; round++) {
    let bytes = Number.POSITIVE_INFINITY
    for (const to of all) {
      const batch = to.batches[round]
      if (batch === undefined) continue
      if (bytes + batch.bytes.length > maxBytes) {
        requests.push([])
        bytes = 0
      }
      requests.at(-1)?.push({ to, batch })
      bytes += batch.bytes.length
    }
  }
  return requests
}
