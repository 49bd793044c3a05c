// How fast records get to the brokers, by their acknowledgements.

/** Before anything is known: a link of 50 KB a second takes little more than a second for it. */
const FIRST_REQUEST_BYTES = 64 * 1024
const SMALLEST_REQUEST_BYTES = 16 * 1024
/** Far below what a broker takes in one request (`socket.request.max.bytes`, 100 MB). */
const LARGEST_REQUEST_BYTES = 8_000_000
/**
 * How long a request is to be under way: what else must get through on the same link waits behind a
 * few of them, ms.
 */
const REQUEST_MS = 500
/** What was long ago weighs less: after so much time under way about a third, ms. */
const MEMORY_MS = 2_000
/** A broker that hangs must not pass for one that is slow without end, bytes a ms. */
const SLOWEST = 4

export class Pace {
  /** While the broker reads. */
  readonly #link = new Rate()
  /** With the time for which it throttles. */
  readonly #allowed = new Rate()
  /** What the way alone takes: a few bytes that were acknowledged soonest. */
  #wayMs = Number.POSITIVE_INFINITY

  /**
   * So many bytes were acknowledged.
   * @param tookMs since they were written, or since the last acknowledgement of what was written
   * before
   * @param throttleMs for how long the broker throttles because of them
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

  /**
   * So many bytes were not acknowledged in this time. The pace is not known: it is taken for half
   * of what would have sufficed.
   */
  timedOut(bytes: number, afterMs: number): void {
    for (const rate of [this.#link, this.#allowed]) {
      rate.count(Math.min(bytes, rate.bytesIn(afterMs)) / 2, afterMs)
    }
  }

  /**
   * The most that should go into one request. A broker that throttles has read it before: where
   * only it is slow, a large one is better, since the transaction has ended when it is to be waited
   * for.
   */
  get requestBytes(): number {
    if (!this.#link.isKnown) return FIRST_REQUEST_BYTES
    const bytes = Math.max(SMALLEST_REQUEST_BYTES, this.#link.bytesIn(REQUEST_MS))
    return Math.min(LARGEST_REQUEST_BYTES, bytes)
  }

  /** How long so many bytes take, ms; 0 while it is not known. */
  needsMs(bytes: number): number {
    return this.#allowed.isKnown ? bytes / Math.max(SLOWEST, this.#allowed.bytesIn(1)) : 0
  }
}

/** Bytes in a time, of late. */
class Rate {
  #bytes = 0
  #ms = 0

  get isKnown(): boolean {
    return this.#ms > 0
  }

  count(bytes: number, ms: number): void {
    const weight = Math.exp(-ms / MEMORY_MS)
    this.#bytes = this.#bytes * weight + bytes
    // What was quicker than can be measured took something.
    this.#ms = this.#ms * weight + Math.max(ms, 1)
  }

  /** Without end while nothing is known. */
  bytesIn(ms: number): number {
    return this.isKnown ? (this.#bytes / this.#ms) * ms : Number.POSITIVE_INFINITY
  }
}
