// How long to wait before something that has failed is tried again. Those who failed together, such
// as all workers of a broker that went away, must not come back together: exponential backoff with
// full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

/** Gives numbers in [0, 1), as `Math.random` does. Passed in so that a test can own it. */
export type Random = () => number

export interface BackoffRange {
  /** The longest that the first wait can be, ms; it doubles from failure to failure. */
  readonly firstMs: number
  /** The longest that any wait can be, ms. */
  readonly lastMs: number
}

/** The waits between the attempts of one thing. */
export class Backoff {
  readonly #range: BackoffRange
  readonly #random: Random
  #failures = 0

  constructor(range: BackoffRange, random: Random) {
    this.#range = range
    this.#random = random
  }

  /**
   * It has failed once more. @returns how long to wait, in whole ms: any time from 1 ms to the
   * longest, each as likely
   */
  nextMs(): number {
    const { firstMs, lastMs } = this.#range
    const longestMs = Math.min(firstMs * 2 ** this.#failures++, lastMs)
    return 1 + Math.floor(this.#random() * longestMs)
  }

  /** It has succeeded: the next wait is a first one again. */
  reset(): void {
    this.#failures = 0
  }
}
