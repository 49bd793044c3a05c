import type { Clock } from '../../../kernel/clock.ts'
import type { TidemarkError } from '../../../kernel/errors.ts'
import { partitionName } from '../../../kernel/ids.ts'
import { Backoff, type BackoffRange } from '../../../kernel/random.ts'
import type { TopicPartition, Unreadable } from '../../port.ts'
import type { Brokers } from '../client/brokers.ts'

/** A failure that passes within this time is not reported, ms. */
const NEWS_MS = 3_000
/** Another reason for the same partitions is reported only after this time, ms. */
const REASON_MS = 10_000
const LOOK_MS = 250

/**
 * Reports partitions that could not be read for some seconds, each time the set of them changes:
 * leaders change and connections break all the time, so only lasting failures are news.
 */
export class Unreadables {
  readonly #tell: (partitions: readonly Unreadable[]) => void
  readonly #clock: Clock
  readonly #failing = new Map<string, Unreadable & { readonly sinceMs: number }>()
  #reported: readonly Unreadable[] = []
  #reportedMs = Number.NEGATIVE_INFINITY
  /** Cancels the next check; `null` while nothing fails. */
  #endLooking: (() => void) | null = null
  #isOver = false

  constructor(tell: (partitions: readonly Unreadable[]) => void, clock: Clock) {
    this.#tell = tell
    this.#clock = clock
  }

  /** @param sinceMs when the failing operation began, by the clock's elapsed time @default now */
  fails({ topic, partition }: TopicPartition, reason: string, sinceMs = this.#clock.elapsedMs()) {
    const name = partitionName({ topic, partition })
    const before = this.#failing.get(name)
    this.#failing.set(name, { topic, partition, reason, sinceMs: before?.sinceMs ?? sinceMs })
    if (!this.#isOver && this.#endLooking === null) this.#lookLater()
  }

  /** Called when a partition can be read, or is lost. Returns whether it was reported. */
  over(partition: TopicPartition): boolean {
    const name = partitionName(partition)
    if (!this.#failing.delete(name)) return false
    const wasReported = this.#reported.some((reported) => partitionName(reported) === name)
    if (wasReported) this.#look()
    if (this.#failing.size === 0) this.#rest()
    return wasReported
  }

  stop(): void {
    this.#isOver = true
    this.#rest()
  }

  #rest(): void {
    this.#endLooking?.()
    this.#endLooking = null
  }

  #lookLater(): void {
    this.#endLooking = this.#clock.after(LOOK_MS, () => {
      this.#lookLater()
      this.#look()
    })
  }

  #look(): void {
    const nowMs = this.#clock.elapsedMs()
    const lasting = [...this.#failing.values()]
      .filter(({ sinceMs }) => nowMs - sinceMs >= NEWS_MS)
      .sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition)
    const isSame = namesOf(lasting) === namesOf(this.#reported)
    const isOld = nowMs - this.#reportedMs >= REASON_MS
    if (isSame && !(isOld && reasonsOf(lasting) !== reasonsOf(this.#reported))) return
    this.#reported = lasting.map(({ topic, partition, reason }) => ({ topic, partition, reason }))
    this.#reportedMs = nowMs
    this.#tell(this.#reported)
  }
}

function namesOf(partitions: readonly Unreadable[]): string {
  return partitions.map(partitionName).join()
}

function reasonsOf(partitions: readonly Unreadable[]): string {
  return partitions.map(({ reason }) => reason).join()
}

/** Retry intervals, also for a leader that does not answer at all. */
export const RETRY: BackoffRange = { firstMs: 50, lastMs: 2_000 }
/** How long a topic must be unknown to all brokers to count as deleted, ms. */
const GONE_MS = 5_000

interface Setback {
  readonly backoff: Backoff
  /** Since when the topic is missing; `null`: the last failure had another reason. */
  readonly missingSinceMs: number | null
  readonly untilMs: number
}

/** Backs off exponentially by partition, by identity: one assigned again is a new object. */
export class PartitionBackoff<P extends object> {
  readonly #o: Pick<Brokers, 'clock' | 'random'>
  readonly #setbacks = new WeakMap<P, Setback>()

  constructor(options: Pick<Brokers, 'clock' | 'random'>) {
    this.#o = options
  }

  has(partition: P): boolean {
    const setback = this.#setbacks.get(partition)
    return setback !== undefined && setback.untilMs > this.#o.clock.elapsedMs()
  }

  over(partition: P): void {
    this.#setbacks.delete(partition)
  }

  /**
   * Returns how long the partition is not fetched, ms.
   * @throws the problem: it is permanent, or the topic has not existed for 5 s
   */
  add(partition: P, problem: TidemarkError, askedMs: number): number {
    const nowMs = this.#o.clock.elapsedMs()
    const before = this.#setbacks.get(partition)
    const missingSinceMs = missingSince(problem, before, nowMs)
    const isGone = missingSinceMs !== null && askedMs - missingSinceMs > GONE_MS
    if (isGone || (missingSinceMs === null && problem.code !== 'BROKER_UNAVAILABLE')) throw problem
    const backoff = before?.backoff ?? new Backoff(RETRY, this.#o.random)
    const waitMs = backoff.nextMs()
    this.#setbacks.set(partition, { backoff, missingSinceMs, untilMs: nowMs + waitMs })
    return waitMs
  }
}

/** Counts anew after a long pause, because two answers say nothing about the time between them. */
function missingSince({ code }: TidemarkError, before: Setback | undefined, nowMs: number) {
  if (code !== 'TOPIC_MISSING') return null
  const isLongAgo = before !== undefined && nowMs - before.untilMs > GONE_MS
  return isLongAgo ? nowMs : (before?.missingSinceMs ?? nowMs)
}
