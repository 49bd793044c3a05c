import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import { isLate } from './lateness.ts'

/** −Infinity for what has not been. */
export interface WatermarkParts {
  /** Largest event time seen, ms since the epoch. */
  readonly newestMs: number
  /** How far idleness has moved the watermark, ms since the epoch. */
  readonly idleMs: number
}

/**
 * The watermark of one partition: the largest event time seen minus the lag. It never goes back and
 * is derived from the log alone, so a replay calls the same events late.
 */
export class Watermark {
  readonly #lagMs: number
  readonly #maxAheadMs: number
  /** Largest event time seen. */
  #newestMs = Number.NEGATIVE_INFINITY
  /** How far idleness has moved it. */
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
   * Newest event time, ms since the epoch, when its first event had come, be it one that was late;
   * `null` before that.
   */
  get firstMs(): number | null {
    return this.#firstMs
  }

  /**
   * What it is derived from: kept beside an offset, it brings the watermark of that offset back
   * (rule R2).
   */
  get parts(): WatermarkParts {
    return { newestMs: this.#newestMs, idleMs: this.#idleMs }
  }

  /** Goes on from parts that were kept. */
  restore({ newestMs, idleMs }: WatermarkParts): void {
    this.#newestMs = newestMs
    this.advance(idleMs)
  }

  /** A silent partition's time passes. */
  advance(idleMs: number): void {
    this.#idleMs = Math.max(this.#idleMs, idleMs)
    this.#nowMs = Math.max(this.#newestMs - this.#lagMs, this.#idleMs)
  }

  /**
   * Lets an event move it. Not one too far ahead of its own record's timestamp, whose answer is no:
   * one broken clock must not make the rest of the partition late. Of a record without a timestamp
   * nobody can say that: its event is taken by its own time.
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
