/** The first commits of a worker, bytes: a link of 50 KB a second takes 5 s for it. */
const FIRST_BYTES = 256 * 1024
/** By which it grows: a quarter, within these, bytes. */
const STEP_BYTES = { least: 1024, most: 64 * 1024 }
/** A commit that is full and takes longer was too large: a transaction may be open for 10 s, ms. */
const LONG_MS = 4_000
/** One that is full and takes so long is held up by the way to the brokers, ms. */
const HELD_UP_MS = 1_000

/**
 * How many bytes the next commit may have: as many as get through in a few seconds. Halved when one
 * took too long, or cut to what its pace allows, and grown by a step when one was full and quick
 * (additive increase, multiplicative decrease: Chiu and Jain 1989); doubled until the first that
 * took too long, as TCP begins (RFC 5681).
 */
export class CommitSize {
  readonly #mostBytes: number
  #bytes: number
  #isBeginning = true
  #pace: number | null = null

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
    this.#bytes = Math.min(FIRST_BYTES, mostBytes)
  }

  /** At least 1: what one record makes goes whole, however large it is. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Bytes a second that get through to the brokers, where that is what holds commits up; else
   * `null`.
   */
  get pace(): number | null {
    return this.#pace
  }

  /** A commit of so many bytes was made. */
  committed(bytes: number, durationMs: number): void {
    const isFull = bytes >= this.#bytes / 2
    if (durationMs < HELD_UP_MS / 2) this.#pace = null
    else if (isFull && durationMs >= HELD_UP_MS) this.#pace = (bytes / durationMs) * 1_000
    // What was not full says nothing about its size.
    if (!isFull) return
    if (durationMs > LONG_MS) this.timedOut(Math.min(bytes, (2 * bytes * LONG_MS) / durationMs))
    else this.#become(this.#bytes + (this.#isBeginning ? this.#bytes : this.#step))
  }

  /** Nothing was to be committed for a while. */
  rested(): void {
    this.#pace = null
  }

  /** A commit of so many bytes did not get through in time. */
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
