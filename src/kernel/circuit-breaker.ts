/** Failures in a row that open the breaker … */
const MOST_FAILURES = 64
/** … or fewer over some time. */
const FEW_FAILURES = 5
/** How long nothing is asked, ms: doubled each time until the longest. */
const FIRST_MS = 1_000

interface BreakerOptions {
  /** Few failures in a row open the breaker if they are over this time, ms. */
  readonly overMs: number
  readonly longestMs: number
  /** A clock that never goes back. */
  readonly elapsedMs: () => number
}

/**
 * Asks a failing model, or store, nothing for a while, then once on trial (a circuit breaker:
 * Nygard, "Release It!").
 */
export class CircuitBreaker {
  readonly #o: BreakerOptions
  #failures = 0
  #firstFailureMs = 0
  #openForMs = FIRST_MS
  /** When it is tried again; `null`: it is asked everything. */
  #tryAtMs: number | null = null
  #isTrying = false

  constructor(options: BreakerOptions) {
    this.#o = options
  }

  get isOpen(): boolean {
    return this.#tryAtMs !== null
  }

  /** After a yes, {@link succeeded} or {@link failed} must follow. */
  permits(): boolean {
    if (this.#tryAtMs === null) return true
    if (this.#isTrying || this.#o.elapsedMs() < this.#tryAtMs) return false
    this.#isTrying = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openForMs = FIRST_MS
    this.#tryAtMs = null
    this.#isTrying = false
  }

  /** @param times how many failures these are, such as the rows of a batch */
  failed(times = 1): void {
    const nowMs = this.#o.elapsedMs()
    if (this.#failures === 0) this.#firstFailureMs = nowMs
    this.#failures += times
    if (this.#tryAtMs === null && !this.#isFailing(nowMs)) return
    if (this.#isTrying) this.#openForMs = Math.min(2 * this.#openForMs, this.#o.longestMs)
    this.#isTrying = false
    this.#tryAtMs = nowMs + this.#openForMs
  }

  #isFailing(nowMs: number): boolean {
    if (this.#failures >= MOST_FAILURES) return true
    return this.#failures >= FEW_FAILURES && nowMs - this.#firstFailureMs >= this.#o.overMs
  }
}
