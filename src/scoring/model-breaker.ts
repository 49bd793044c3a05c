import type { Scorer } from './scorer.ts'

/** Rows in a row that could not be scored, until a model gets no more ... */
const MOST_FAILURES = 64
/** ... or fewer, if they came over this time, ms. */
const FEW_FAILURES = 5
const OVER_MS = 10_000
/** How long it gets none, ms: doubled each time until the longest. */
const FIRST_MS = 1_000
const LONGEST_MS = 30_000

/**
 * Keeps rows from a model that fails: after some rows in a row that it could not score, it gets none
 * for a while, and then a batch on trial (a circuit breaker: Nygard, "Release It!"). Rows are counted
 * and not batches, because a batch is a single row where few come, and may be a bad one. A batch of
 * which it could score any row is no failure.
 */
export class ModelBreaker {
  readonly #nowMs: () => number
  #failures = 0
  #firstFailureMs = 0
  #openForMs = FIRST_MS
  /** When it may be tried; `null`: it gets every batch. */
  #tryAtMs: number | null = null
  #isTrying = false

  /** @param nowMs time that only goes forward, ms */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Does the model get no batches? */
  get isOpen(): boolean {
    return this.#tryAtMs !== null
  }

  /**
   * May the model get a batch now? After a yes, {@link succeeded} or {@link failed} must follow.
   */
  permits(): boolean {
    if (this.#tryAtMs === null) return true
    if (this.#isTrying || this.#nowMs() < this.#tryAtMs) return false
    this.#isTrying = true
    return true
  }

  /** The model has scored at least one row of a batch. */
  succeeded(): void {
    this.#failures = 0
    this.#openForMs = FIRST_MS
    this.#tryAtMs = null
    this.#isTrying = false
  }

  /** The model could not score any of the rows of a batch. */
  failed(rows: number): void {
    const nowMs = this.#nowMs()
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

/** The breaker of each model, made when it is first needed. */
export class ModelBreakers {
  readonly #nowMs: () => number
  readonly #breakers = new Map<Scorer, ModelBreaker>()

  /** @param nowMs time that only goes forward, ms */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  of(scorer: Scorer): ModelBreaker {
    const known = this.#breakers.get(scorer)
    if (known !== undefined) return known
    const breaker = new ModelBreaker(this.#nowMs)
    this.#breakers.set(scorer, breaker)
    return breaker
  }
}
