// How fast records get to the brokers, by their acknowledgements.

/** Before anything is known: a link of 50 KB a second takes little more than a second for it. */
const FIRST_REQUEST_BYTES = 64 * 1024
const SMALLEST_REQUEST_BYTES = 16 * 1024
/** Far below what a broker takes in one request (`socket.request.max.bytes`, 100 MB). */
const LARGEST_REQUEST_BYTES = 8_000_000
/** How long a request is to be under way: what else must get through on the same link waits behind a few of them, ms. */
const REQUEST_MS = 500
/** What was long ago weighs less: after so much time under way about a third, ms. */
const MEMORY_MS = 2_000
/** A broker that hangs must not pass for one that is slow without end, bytes a ms. */
const SLOWEST = 4

export class Pace {
  /** Of what weighs: bytes that were acknowledged, and for how long they were under way. */
  #bytes = 0
  #ms = 0
  /** What the way alone takes: a few bytes that were acknowledged soonest. */
  #wayMs = Number.POSITIVE_INFINITY

  /**
   * So many bytes were acknowledged.
   * @param tookMs since they were written, or since the last acknowledgement of what was written before; with the time for which
   * the broker throttles because of them
   */
  acknowledged(bytes: number, tookMs: number): void {
    if (bytes < SMALLEST_REQUEST_BYTES) this.#wayMs = Math.min(this.#wayMs, tookMs)
    else this.#count(bytes, Number.isFinite(this.#wayMs) ? tookMs - this.#wayMs : tookMs)
  }

  /** So many bytes were not acknowledged in this time. The pace is not known: it is taken for half of what would have sufficed. */
  timedOut(bytes: number, afterMs: number): void {
    this.#count(Math.min(bytes, this.#bytesIn(afterMs)) / 2, afterMs)
  }

  /** The most that should go into one request. */
  get requestBytes(): number {
    if (this.#ms === 0) return FIRST_REQUEST_BYTES
    return Math.min(
      LARGEST_REQUEST_BYTES,
      Math.max(SMALLEST_REQUEST_BYTES, this.#bytesIn(REQUEST_MS)),
    )
  }

  /** How long so many bytes take, ms; 0 while it is not known. */
  needsMs(bytes: number): number {
    return this.#ms === 0 ? 0 : bytes / Math.max(SLOWEST, this.#bytes / this.#ms)
  }

  #count(bytes: number, ms: number): void {
    const weight = Math.exp(-ms / MEMORY_MS)
    this.#bytes = this.#bytes * weight + bytes
    // What was quicker than can be measured took something.
    this.#ms = this.#ms * weight + Math.max(ms, 1)
  }

  #bytesIn(ms: number): number {
    return this.#ms === 0 ? Number.POSITIVE_INFINITY : (this.#bytes / this.#ms) * ms
  }
}
