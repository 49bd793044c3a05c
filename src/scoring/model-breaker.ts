/** So many rows in a row without a score open the breaker … */
const MOST_FAILURES = 64
/** … or fewer of them over at least this time, ms. */
const FEW_FAILURES = 5
const OVER_MS = 10_000
/** How long a model gets no rows, ms: doubled each time until the longest. */
const FIRST_MS = 1_000
const LONGEST_MS = 30_000

/**
 * Gives a failing model no rows for a while, then a batch on trial (a circuit breaker: Nygard,
 * "Release It!"). Rows count, because a batch may be a single bad row. One with any score is no
 * failure.
 */
export class ModelBreaker {
  #failures = 0
  #firstFailureMs = 0
  #openForMs = FIRST_MS
  /** When the model is tried again; `null`: it gets every batch. */
  #tryAtMs: number | null = null
  #isTrying = false

  /** After a yes, {@link succeeded} or {@link failed} must follow. */
  permits(): boolean {
    if (this.#tryAtMs === null) return true
    if (this.#isTrying || performance.now() < this.#tryAtMs) return false
    this.#isTrying = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openForMs = FIRST_MS
    this.#tryAtMs = null
    this.#isTrying = false
  }

  failed(rows: number): void {
    const nowMs = performance.now()
    if (this.#failures === 0) this.#firstFailureMs = nowMs
    this.#failures += rows
    if (this.#tryAtMs === null && !this.#isFailing(nowMs)) return
    if (this.#isTrying) this.#openForMs = Math.min(2 * this.#openForMs, LONGEST_MS)
    this.#isTrying = false
    this.#tryAtMs = nowMs + this.#openForMs
  }

  #isFailing(nowMs: number): boolean {
    if (this.#failures >= MOST_FAILURES) return true
    return this.#failures >= FEW_FAILURES && nowMs - this.#firstFailureMs >= OVER_MS
  }
}
