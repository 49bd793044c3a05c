/** Before anything is known: a link of 50 KB/s needs little more than a second for it. */
const FIRST_REQUEST_BYTES = 64 * 1024
const SMALLEST_REQUEST_BYTES = 16 * 1024
/** Far below the brokers' limit for a request (`socket.request.max.bytes`, 100 MB). */
const LARGEST_REQUEST_BYTES = 8_000_000
/** How long a request should take, ms: others on the same link wait behind a few of them. */
const REQUEST_MS = 500
/** After this much transmission time the weight of old measurements is about a third, ms. */
const MEMORY_MS = 2_000
/** Bytes per ms: a broker that hangs must not count as ever slower. */
const SLOWEST = 4

/** Estimates how fast brokers take records, by a decaying mean over their acknowledgements. */
export class ThroughputEstimator {
  /** Rate while the broker reads. */
  readonly #link = new Rate()
  /** Rate including the time for which the broker throttles. */
  readonly #allowed = new Rate()
  /** Shortest time in which a few bytes were acknowledged, ms. */
  #wayMs = Number.POSITIVE_INFINITY

  /**
   * @param tookMs since the bytes were written, or earlier ones acknowledged
   * @param throttleMs how long the broker throttles because of them
   */
  acknowledged(bytes: number, tookMs: number, throttleMs: number): void {
    if (bytes < SMALLEST_REQUEST_BYTES) {
      this.#wayMs = Math.min(this.#wayMs, tookMs)
      return
    }
    const onTheWayMs = Number.isFinite(this.#wayMs) ? tookMs - this.#wayMs : tookMs
    this.#link.count(bytes, onTheWayMs)
    this.#allowed.count(bytes, onTheWayMs + throttleMs)
  }

  timedOut(bytes: number, afterMs: number): void {
    for (const rate of [this.#link, this.#allowed]) {
      rate.count(Math.min(bytes, rate.bytesIn(afterMs)) / 2, afterMs)
    }
  }

  /**
   * The most bytes of a request. A broker throttles after it has read a request: if only the quota
   * is slow, a large request is better, because the transaction has ended by then.
   */
  get requestBytes(): number {
    if (!this.#link.isKnown) return FIRST_REQUEST_BYTES
    const bytes = Math.max(SMALLEST_REQUEST_BYTES, this.#link.bytesIn(REQUEST_MS))
    return Math.min(LARGEST_REQUEST_BYTES, bytes)
  }

  needsMs(bytes: number): number {
    return this.#allowed.isKnown ? bytes / Math.max(SLOWEST, this.#allowed.bytesIn(1)) : 0
  }
}

class Rate {
  #bytes = 0
  #ms = 0

  get isKnown(): boolean {
    return this.#ms > 0
  }

  count(bytes: number, ms: number): void {
    const weight = Math.exp(-ms / MEMORY_MS)
    this.#bytes = this.#bytes * weight + bytes
    // A time too short to be measured counts as 1 ms.
    this.#ms = this.#ms * weight + Math.max(ms, 1)
  }

  bytesIn(ms: number): number {
    return this.isKnown ? (this.#bytes / this.#ms) * ms : Number.POSITIVE_INFINITY
  }
}
