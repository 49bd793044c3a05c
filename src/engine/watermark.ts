import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { SourceDefinition } from '../topology/definition.ts'

/** −Infinity: the part has not been set. */
export interface WatermarkParts {
  /** Largest event time seen, ms since the epoch. */
  readonly newestMs: number
  /** Watermark set by idleness, ms since the epoch. */
  readonly idleMs: number
}

/**
 * The watermark of one partition: the largest event time minus the lag. It never goes back, and
 * follows from the log alone, so that a replay finds the same events late.
 */
export class Watermark {
  readonly #lagMs: number
  readonly #maxAheadMs: number
  #newestMs = Number.NEGATIVE_INFINITY
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

  /** The newest event time after the first event, perhaps a late one, ms; `null` before it. */
  get firstMs(): number | null {
    return this.#firstMs
  }

  /** Stored with an offset, the parts restore the watermark of that offset (rule R2). */
  get parts(): WatermarkParts {
    return { newestMs: this.#newestMs, idleMs: this.#idleMs }
  }

  restore({ newestMs, idleMs }: WatermarkParts): void {
    this.#newestMs = newestMs
    this.advance(idleMs)
  }

  advance(idleMs: number): void {
    this.#idleMs = Math.max(this.#idleMs, idleMs)
    this.#nowMs = Math.max(this.#newestMs - this.#lagMs, this.#idleMs)
  }

  accepts(eventTimeMs: number, recordTimestampMs: number): boolean {
    const isJudged = recordTimestampMs !== NO_TIMESTAMP
    return !isJudged || eventTimeMs - recordTimestampMs <= this.#maxAheadMs
  }

  /** The watermark after an event that is accepted, ms. */
  after(eventTimeMs: number): number {
    return Math.max(this.#nowMs, eventTimeMs - this.#lagMs)
  }

  /**
   * Advances the watermark by an event. One wrong clock must not make the rest of the partition
   * late, so an event too far ahead of its record's timestamp is refused; without a timestamp it is
   * accepted.
   * @returns whether the event is accepted
   */
  admit(eventTimeMs: number, recordTimestampMs: number): boolean {
    if (!this.accepts(eventTimeMs, recordTimestampMs)) return false
    this.#firstMs ??= Math.max(eventTimeMs, this.#newestMs)
    if (isLate(eventTimeMs, this.#nowMs)) return true
    if (eventTimeMs > this.#newestMs) {
      this.#newestMs = eventTimeMs
      this.#nowMs = Math.max(this.#nowMs, eventTimeMs - this.#lagMs)
    }
    return true
  }
}

/** An event exactly at the watermark is on time. */
export function isLate(timeMs: number, watermarkMs: number): boolean {
  return timeMs < watermarkMs
}

/** Whether the watermark has passed a tumbling window's end and grace period. */
export function isWindowClosed(endMs: number, graceMs: number, watermarkMs: number): boolean {
  return endMs + graceMs <= watermarkMs
}
