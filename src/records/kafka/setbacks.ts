import type { Clock } from '../../kernel/clock.ts'
import type { TidemarkError } from '../../kernel/errors.ts'
import { Backoff, type BackoffRange, type Random } from '../../kernel/random.ts'

// Partitions that are not fetched for a while because of an error; the others of their leader
// continue.

/** Retry intervals, also for a leader that does not answer at all. */
export const RETRY: BackoffRange = { firstMs: 50, lastMs: 2_000 }
/** How long a topic must be unknown to all brokers to count as deleted, ms. */
const GONE_MS = 5_000

/** The failures of a partition that is not fetched for a while. */
interface Setback {
  readonly backoff: Backoff
  /** Time of the first of its consecutive failures. */
  readonly sinceMs: number
  /**
   * Time of the first of its latest consecutive failures that said that the topic does not exist;
   * `null`: the last one did not say so.
   */
  readonly missingSinceMs: number | null
  readonly untilMs: number
}

/**
 * Partitions that back off, compared by identity: one that is assigned again is a new object. Times
 * are the clock's elapsed time.
 */
export class Setbacks<P extends object> {
  readonly #clock: Clock
  readonly #random: Random
  readonly #of = new WeakMap<P, Setback>()

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  /** Is it still backing off? */
  has(of: P): boolean {
    const setback = this.#of.get(of)
    return setback !== undefined && setback.untilMs > this.#clock.elapsedMs()
  }

  over(of: P): void {
    this.#of.delete(of)
  }

  /**
   * Adds a failure of a partition.
   * @param askedMs when the failed request was sent
   * @returns since when the partition fails, and how long it backs off
   * @throws the problem: it is permanent, or the topic has not existed for 5 s
   */
  add(of: P, problem: TidemarkError, askedMs: number): { sinceMs: number; waitMs: number } {
    const nowMs = this.#clock.elapsedMs()
    const before = this.#of.get(of)
    const missingSinceMs = missingSince(problem, before, nowMs)
    // Counted to when the request was sent: its answer may have taken long.
    const isGone = missingSinceMs !== null && askedMs - missingSinceMs > GONE_MS
    if (isGone || (missingSinceMs === null && problem.code !== 'BROKER_UNAVAILABLE')) throw problem
    const first = () => ({ backoff: new Backoff(RETRY, this.#random), sinceMs: askedMs })
    const { backoff, sinceMs } = before ?? first()
    const waitMs = backoff.nextMs()
    this.#of.set(of, { backoff, sinceMs, missingSinceMs, untilMs: nowMs + waitMs })
    return { sinceMs, waitMs }
  }
}

/**
 * After a long pause it is counted from now: two answers say nothing about the time between them.
 */
function missingSince(
  { code }: TidemarkError,
  before: Setback | undefined,
  nowMs: number,
): number | null {
  if (code !== 'TOPIC_MISSING') return null
  const isLongAgo = before !== undefined && nowMs - before.untilMs > GONE_MS
  return isLongAgo ? nowMs : (before?.missingSinceMs ?? nowMs)
}
