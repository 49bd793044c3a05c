import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import { isLate } from './lateness.ts'

/** The parts of a watermark; −Infinity for a part that has not been set. */
export interface WatermarkParts {
  /** Largest event time seen, ms since the epoch. */
  readonly newestMs: number
  /** Watermark set by idleness, ms since the epoch. */
  readonly idleMs: number
}

/**
 * The watermark of one partition: the largest event time seen minus the lag. It never goes back. It
 * is derived from the log alone, so a replay finds the same events late.
 */
export class Watermark {
  readonly #lagMs: number
  readonly #maxAheadMs: number
  /** Largest event time seen. */
  #newestMs = Number.NEGATIVE_INFINITY
  /** Watermark set by idleness. */
  #idleMs = Number.NEGATIVE_INFINITY
  #nowMs = Number.NEGATIVE_INFINITY
  #firstMs: number | null = null

  constructor(source: Pick<SourceDefinition, 'watermark'>) {
    const { lagMs, maxAheadMs } = source.watermark
    this.#lagMs = lagMs
    this.#maxAheadMs = maxAheadMs === 'none' ? Number.POSITIVE_INFINITY : maxAheadMs
  }

  /** ms since the epoch; −Infinity before the first event. */
  get nowMs(): number {
    return this.#nowMs
  }

  /**
   * The newest event time, ms since the epoch, after the first event (which may have been late);
   * `null` before the first event.
   */
  get firstMs(): number | null {
    return this.#firstMs
  }

  /**
   * The parts that it is derived from. Stored with an offset, they restore the watermark of that
   * offset (rule R2).
   */
  get parts(): WatermarkParts {
    return { newestMs: this.#newestMs, idleMs: this.#idleMs }
  }

  /** Continues from stored parts. */
  restore({ newestMs, idleMs }: WatermarkParts): void {
    this.#newestMs = newestMs
    this.advance(idleMs)
  }

  /** Advances the watermark of an idle partition. */
  advance(idleMs: number): void {
    this.#idleMs = Math.max(this.#idleMs, idleMs)
    this.#nowMs = Math.max(this.#newestMs - this.#lagMs, this.#idleMs)
  }

  /**
   * Advances the watermark by an event. Returns false for an event that is too far ahead of its own
   * record's timestamp: one wrong clock must not make the rest of the partition late. A record
   * without a timestamp cannot be checked, so its event time is accepted.
   */
  admit(eventTimeMs: number, recordTimestampMs: number): boolean {
    const isJudged = recordTimestampMs !== NO_TIMESTAMP
    if (isJudged && eventTimeMs - recordTimestampMs > this.#maxAheadMs) return false
    this.#firstMs ??= Math.max(eventTimeMs, this.#newestMs)
    if (isLate(eventTimeMs, this.#nowMs)) return true
    if (eventTimeMs > this.#newestMs) {
      this.#newestMs = eventTimeMs
      this.#nowMs = Math.max(this.#nowMs, eventTimeMs - this.#lagMs)
    }
    return true
  }
}
