import { LRUCache } from 'lru-cache'
import type { TidemarkError } from '../../kernel/errors.ts'

// How long a registry has said of an id that it has no such schema. One answer proves nothing: a
// replica may lag behind.

/** How long it must have said so before it is believed, ms. */
const BELIEVED_AFTER_MS = 10_000
/** How long it is then not asked again, ms. */
const GIVEN_UP_MS = 60_000
/** Answers that are further apart are not taken together, ms. */
const MOST_APART_MS = 2 * GIVEN_UP_MS

interface Missing {
  /** When the registry first said so, without another answer since; `null`: there was one. */
  readonly sinceMs: number | null
  /** When it last said so. */
  readonly saidMs: number
  /** The last denial. */
  readonly why: TidemarkError
  /** Until when it is not asked again; `null`: it was never believed. */
  readonly givenUpUntilMs: number | null
}

/** The ids of which a registry says that it has no schema, by the clock's elapsed time. */
export class MissingSchemas {
  readonly #missing: LRUCache<number, Missing>

  /** @param most ids in memory */
  constructor(most: number) {
    this.#missing = new LRUCache({ max: most })
  }

  /** The registry says that it has no such schema. */
  denied(id: number, nowMs: number, why: TidemarkError): void {
    const before = this.#missing.get(id)
    const isSame = before !== undefined && nowMs - before.saidMs <= MOST_APART_MS
    const sinceMs = (isSame ? before.sinceMs : null) ?? nowMs
    const isBelieved = nowMs - sinceMs >= BELIEVED_AFTER_MS
    const givenUpUntilMs = isBelieved ? nowMs + GIVEN_UP_MS : (before?.givenUpUntilMs ?? null)
    this.#missing.set(id, { sinceMs, saidMs: nowMs, why, givenUpUntilMs })
  }

  /** The registry did not say whether it has it. */
  unanswered(id: number): void {
    const before = this.#missing.get(id)
    if (before !== undefined) this.#missing.set(id, { ...before, sinceMs: null })
  }

  /** Is it not to be asked for at present? */
  isGivenUp(id: number, nowMs: number): boolean {
    const untilMs = this.#missing.get(id)?.givenUpUntilMs ?? null
    return untilMs !== null && nowMs < untilMs
  }

  /** Why there is no such schema; `null`: the registry never said so. */
  why(id: number): TidemarkError | null {
    return this.#missing.get(id)?.why ?? null
  }

  /**
   * Why it was given up, now or before: records that were prepared then may still be decoded;
   * `null`: it never was.
   */
  whyGivenUp(id: number): TidemarkError | null {
    const missing = this.#missing.get(id)
    return missing === undefined || missing.givenUpUntilMs === null ? null : missing.why
  }
}
