import type { SourceDefinition } from '../topology/definition.ts'

export type Arrival = 'on-time' | 'late' | 'future'

/**
 * The watermark of one partition: the largest event time seen minus the lag. It never goes back and is derived from the
 * log alone, so a replay calls the same events late.
 */
export class Watermark {
  readonly #lagMs: number
  readonly #maxAheadMs: number
  #nowMs = Number.NEGATIVE_INFINITY

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
   * Judges an event by the watermark as it stands, then moves it. Exactly at the watermark is on time. An event too far
   * ahead of its own record's timestamp moves nothing: one broken clock must not make the rest of the partition late.
   */
  admit(eventTimeMs: number, recordTimestampMs: number): Arrival {
    if (eventTimeMs - recordTimestampMs > this.#maxAheadMs) return 'future'
    if (eventTimeMs < this.#nowMs) return 'late'
    this.#nowMs = Math.max(this.#nowMs, eventTimeMs - this.#lagMs)
    return 'on-time'
  }
}
