// How long to wait before a retry. Clients that failed together, such as all workers of a broker
// that went away, must not all come back at the same moment: exponential backoff with full jitter
// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

/** Returns numbers in [0, 1), as `Math.random` does. Passed in so that a test can control it. */
export type Random = () => number

/** The default of whoever takes a {@link Random}. */
// oxlint-disable-next-line no-restricted-properties -- only here, so that nothing else calls it
export const systemRandom: Random = Math.random

/** Bounds of the waits of a {@link Backoff}. */
export interface BackoffRange {
  /** Upper bound of the first wait, ms; it doubles with each failure. */
  readonly firstMs: number
  /** Upper bound of every wait, ms. */
  readonly lastMs: number
}

/** The waits between the attempts of one operation. */
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

  /** After a success: the next wait is a first one again. */
  reset(): void {
    this.#failures = 0
  }
}
