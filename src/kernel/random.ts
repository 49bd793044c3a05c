import { getRandomValues } from 'node:crypto'
import { KeyedHash } from './bytes.ts'

// Random numbers, and the secrets and waits that are drawn from them.

/** Returns numbers in [0, 1), as `Math.random` does. Passed in so that a test can control it. */
export type Random = () => number

// oxlint-disable-next-line no-restricted-properties -- only here, so that nothing else calls it
export const systemRandom: Random = Math.random

/**
 * A {@link Random} that depends only on the seed, a whole number from 1 to 2^31 − 2: the
 * multiplicative generator of Park and Miller (1988).
 */
export function seeded(seed: number): Random {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return (state - 1) / 2_147_483_646
  }
}

/** A hash with a secret of its own. */
export function drawnHash(): KeyedHash {
  return new KeyedHash(getRandomValues(new Int32Array(4)))
}

export interface BackoffRange {
  /** Upper bound of the first wait, ms; it doubles with each failure. */
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * The waits between the attempts of one operation: exponential backoff with full jitter, so that
 * clients that failed together do not come back together (Brooker, "Exponential Backoff And
 * Jitter", AWS Architecture Blog, 2015).
 */
export class Backoff {
  readonly #range: BackoffRange
  readonly #random: Random
  #failures = 0

  constructor(range: BackoffRange, random: Random) {
    this.#range = range
    this.#random = random
  }

  /**
   * Counts one more failure.
   * @returns how long to wait, a whole number of ms, uniformly from 1 to the current upper bound
   */
  nextMs(): number {
    const { firstMs, lastMs } = this.#range
    const longestMs = Math.min(firstMs * 2 ** this.#failures++, lastMs)
    return 1 + Math.floor(this.#random() * longestMs)
  }

  /** Makes the next wait a first one again, after a success. */
  reset(): void {
    this.#failures = 0
  }
}
