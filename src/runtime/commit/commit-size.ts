/** Size of a worker's first commits, bytes: a link of 50 KB a second needs 5 s for it. */
const FIRST_BYTES = 256 * 1024
/** Bounds of a step of growth, bytes; the step is a quarter of the size. */
const STEP_BYTES = { least: 1024, most: 64 * 1024 }
/** A full commit that takes longer was too large, ms; a transaction may be open for 10 s. */
const LONG_MS = 4_000
/** A full commit that takes at least this long is held up on the way to the brokers, ms. */
const HELD_UP_MS = 1_000

/**
 * The size limit of the next commit: as many bytes as get through in a few seconds. It is halved
 * after a commit that took too long, or cut to the size that the pace allows, and grown by a step after one
 * that was full and quick (additive increase, multiplicative decrease: Chiu and Jain 1989); until
 * the first one that took too long it is doubled, as TCP does in slow start (RFC 5681).
 */
export class CommitSize {
  readonly #mostBytes: number
  #bytes: number
  #isBeginning = true
  /** Bytes a second that get through to the brokers, if that slows commits down. */
  pace: number | null = null

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
    this.#bytes = Math.min(FIRST_BYTES, mostBytes)
  }

  /** The limit, bytes; at least 1, because all results of a record are committed together. */
  get bytes(): number {
    return this.#bytes
  }

  /** Learns from a commit that succeeded. */
  committed(bytes: number, durationMs: number): void {
    const isFull = bytes >= this.#bytes / 2
    if (durationMs < HELD_UP_MS / 2) this.pace = null
    else if (isFull && durationMs >= HELD_UP_MS) this.pace = (bytes / durationMs) * 1_000
    // A commit that was not full says nothing about the limit.
    if (!isFull) return
    if (durationMs > LONG_MS) this.timedOut(Math.min(bytes, (2 * bytes * LONG_MS) / durationMs))
    else this.#become(this.#bytes + (this.#isBeginning ? this.#bytes : this.#step))
  }

  /** Called when there has been nothing to commit for a while. */
  rested(): void {
    this.pace = null
  }

  /** Learns from a commit that did not get through in time. */
  timedOut(bytes: number): void {
    this.#isBeginning = false
    this.#become(Math.min(this.#bytes, bytes) / 2)
  }

  get #step(): number {
    return Math.max(STEP_BYTES.least, Math.min(this.#bytes / 4, STEP_BYTES.most))
  }

  #become(bytes: number): void {
    this.#bytes = Math.max(1, Math.min(Math.floor(bytes), this.#mostBytes))
  }
}
