import { Backoff, type BackoffRange, type Random } from '../../kernel/backoff.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { TidemarkError } from '../../kernel/errors.ts'

// Partitions that are not asked for just now, since something is wrong with them; the others of
// their leader go on.

/** Of a leader too, when it answers nothing at all. */
export const RETRY: BackoffRange = { firstMs: 50, lastMs: 2_000 }
/** A topic that no broker knows for so long is gone, ms. */
const GONE_MS = 5_000

/** Why a partition is not asked for just now. */
interface Setback {
  readonly backoff: Backoff
  /** Since the first of the failures that came one after the other. */
  readonly sinceMs: number
  /**
   * Since the first of those, one after the other, that said that the topic is not there; `null`:
   * the last one did not.
   */
  readonly missingSinceMs: number | null
  readonly untilMs: number
}

/**
 * By partition, told apart as objects: one that comes back is another. Times are the clock's
 * elapsed time.
 */
export class Setbacks<P extends object> {
  readonly #clock: Clock
  readonly #random: Random
  readonly #of = new WeakMap<P, Setback>()

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  /** Is it not to be asked for yet? */
  has(of: P): boolean {
    const setback = this.#of.get(of)
    return setback !== undefined && setback.untilMs > this.#clock.elapsedMs()
  }

  over(of: P): void {
    this.#of.delete(of)
  }

  /**
   * @param askedMs when what failed was asked for
   * @returns since when it fails, and how long it is not asked for
   * @throws the problem: it will not pass, or the topic has not been there for 5 s
   */
  add(of: P, problem: TidemarkError, askedMs: number): { sinceMs: number; waitMs: number } {
    const nowMs = this.#clock.elapsedMs()
    const before = this.#of.get(of)
    const missingSinceMs = missingSince(problem, before, nowMs)
    // By when this answer was asked for: it may have been on its way for long.
    const isGone = missingSinceMs !== null && askedMs - missingSinceMs > GONE_MS
    if (isGone || (missingSinceMs === null && problem.code !== 'BROKER_UNAVAILABLE')) throw problem
    const first = () => ({ backoff: new Backoff(RETRY, this.#random), sinceMs: askedMs })
    const { backoff, sinceMs } = before ?? first()
    const waitMs = backoff.nextMs()
    this.#of.set(of, { backoff, sinceMs, missingSinceMs, untilMs: nowMs + waitMs })
    return { sinceMs, waitMs }
  }
}

/** After a long pause it begins anew: two answers alone say nothing of the time between. */
function missingSince(
  { code }: TidemarkError,
  before: Setback | undefined,
  nowMs: number,
): number | null {
  if (code !== 'TOPIC_MISSING') return null
  const isLongAgo = before !== undefined && nowMs - before.untilMs > GONE_MS
  return isLongAgo ? nowMs : (before?.missingSinceMs ?? nowMs)
}
